"""Distillation is the divergence of softened outputs, of one weight at all softness."""

import pytest
import torch

from ccsolve_torch.training.objectives import distillation

pytestmark = pytest.mark.torch


def test_distillation_is_the_divergence_of_the_softened_outputs() -> None:
    torch.manual_seed(0)
    z, v = torch.randn(2, 6, 4, dtype=torch.float64)
    temperature = 3.0
    p, q = (v / temperature).softmax(1), (z / temperature).softmax(1)
    expected = temperature**2 * (p * (p / q).log()).sum(dim=1).mean()
    # Outputs of every precision are compared in float32.
    torch.testing.assert_close(distillation(z, v, temperature), expected.float())
    assert float(distillation(v, v, temperature)) == pytest.approx(0, abs=1e-5)


def test_soft_targets_weigh_the_same_at_any_temperature() -> None:
    """T² keeps the gradient at high T: (z - v) / classes, for centred outputs."""
    torch.manual_seed(0)
    z, v = (t - t.mean(1, keepdim=True) for t in torch.randn(2, 1, 5))
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(distillation(z, v, 1e3), z)
    torch.testing.assert_close(gradient, (z - v).detach() / 5, atol=1e-3, rtol=1e-2)
