"""The paper's two Hessians, from Jacobians, are what is collected."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem

pytestmark = pytest.mark.torch

GROUP, READER = "first.conv1", "first.conv2"


def jacobians(model: nn.Module, loader: Any, size: int) -> Any:
    """Give, by sample, the outputs, their derivatives in the gates, and the class."""
    gate = torch.ones(size, requires_grad=True)
    handle = model.get_submodule(READER).register_forward_pre_hook(
        lambda module, given: (given[0] * gate[:, None, None],)
    )
    for x, y in loader:
        for n in range(len(x)):
            z = model(x[n : n + 1])[0]
            rows = [torch.autograd.grad(each, gate, retain_graph=True)[0] for each in z]
            yield z.detach().double(), torch.stack(rows).double(), int(y[n])
    handle.remove()


def test_least_squares(residual, loader) -> None:
    """H = JᵀJ, of outputs against ones among zeros."""
    stats = cct.collect(residual, loader, "least_squares")
    held: Any = stats.groups[GROUP]
    hessian, slope = np.zeros((held.size, held.size)), np.zeros(held.size)
    for z, J, label in jacobians(residual, loader, held.size):
        error = z.clone()
        error[label] -= 1
        hessian += (J.T @ J).numpy() / stats.samples
        slope += (J.T @ error).numpy() / stats.samples
    np.testing.assert_allclose(held.hessian(), hessian, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(held.gradient, slope, rtol=1e-3, atol=1e-5)


def test_cross_entropy(residual, loader) -> None:
    """H = JᵀΣJ, Σ = diag(y / f²), f the softmax: what "fisher" is."""
    stats = cct.collect(residual, loader, curvature="fisher")
    held: Any = stats.groups[GROUP]
    hessian = np.zeros((held.size, held.size))
    for z, J, label in jacobians(residual, loader, held.size):
        f = z.softmax(0)
        of_softmax = (f.diag() - torch.outer(f, f)) @ J
        sigma = torch.zeros_like(f)
        sigma[label] = 1 / f[label] ** 2
        hessian += (of_softmax.T @ sigma.diag() @ of_softmax).numpy() / stats.samples
    np.testing.assert_allclose(held.hessian("fisher"), hessian, rtol=1e-3, atol=1e-7)


def test_targets_are_outputs_or_classes(residual, loader) -> None:
    for targets, message in (
        (lambda y: y + 2, "least_squares: class numbers"),
        (lambda y: y.float(), "expected equal shapes, or class numbers"),
        (lambda y: y[:, None], "expected equal shapes, or class numbers"),
    ):
        wrong = [(x, targets(y)) for x, y in loader]
        with pytest.raises(InvalidProblem, match=message):
            cct.collect(residual, wrong, "least_squares")
