"""Measured losses: those of the network with its gates closed, sample by sample."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem
from ccsolve_torch.gates import closed
from ccsolve_torch.graph import trace

pytestmark = pytest.mark.torch


def plans_of(model: Any, loader: Any) -> tuple[Any, list[ccsolve.Plan]]:
    stats = cct.collect(model, loader)
    return stats, [
        ccsolve.plan(stats, macs=share, recipe="uniform", criterion="l2")
        for share in (0.7, 0.4)
    ]


def test_losses_are_those_with_gates_closed(residual, loader) -> None:
    _, plans = plans_of(residual, loader)
    found = cct.measured_losses(residual, plans, loader)
    x = torch.cat([images for images, _ in loader])
    y = torch.cat([labels for _, labels in loader])
    residual.eval()
    with torch.no_grad():
        dense = functional.cross_entropy(residual(x), y, reduction="none")
        np.testing.assert_allclose(found.dense, dense.numpy(), rtol=1e-4, atol=1e-6)
        graph = trace(residual, (x,))
        for plan, row in zip(plans, found.planned, strict=True):
            with closed(residual, graph, plan.keep):
                masked = functional.cross_entropy(residual(x), y, reduction="none")
            np.testing.assert_allclose(row, masked.numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.rises, found.planned - found.dense)


def test_a_repair_changes_them_and_a_loss_may_count_errors(residual, loader) -> None:
    _, plans = plans_of(residual, loader)

    def wrong(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(1) != targets).float()

    cut = cct.measured_losses(residual, plans, loader, wrong)
    assert set(np.unique(cut.planned)) <= {0.0, 1.0}
    plain = cct.measured_losses(residual, plans, loader)
    mended = cct.measured_losses(residual, plans, loader, calibration=loader)
    assert not np.allclose(plain.planned, mended.planned)
    np.testing.assert_array_equal(plain.dense, mended.dense)


def test_no_plans_give_the_dense_loss_alone(residual, loader) -> None:
    found = cct.measured_losses(residual, [], iter(loader))
    assert found.rises.shape == (0, len(found.dense))


def test_it_serves_validation(residual, loader) -> None:
    stats, _ = plans_of(residual, loader)
    models = [
        ccsolve.LossModel(first_order=weight, shrinkage="auto") for weight in (0.0, 1.0)
    ]
    found = ccsolve.validate(
        stats,
        lambda plans: cct.measured_losses(residual, plans, loader).rises,
        macs=0.5,
        models=models,
        points=1,
        time_limit=0.2,
    )
    assert found.model in models
    assert all(point.error is not None for point in found.points)


def test_a_loss_that_is_not_finite_is_refused(residual, loader) -> None:
    def bad(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.sum(1) * torch.nan

    with pytest.raises(InvalidProblem, match="NaN or infinity"):
        cct.measured_losses(residual, [], loader, bad)
