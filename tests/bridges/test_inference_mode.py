"""What is made inside `torch.inference_mode` can be trained like anything else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from tests.bridges.conftest import Loader
from tests.bridges.plans import every_other

pytestmark = pytest.mark.torch

Make = Callable[[nn.Module, Loader], nn.Module]


def applied(model: nn.Module, loader: Loader) -> nn.Module:
    x = loader[0][0]
    plan = every_other(model, x)
    return cct.apply(model, plan, x, calibration=loader, timed=False)


def compressed(model: nn.Module, loader: Loader) -> nn.Module:
    return cct.compress(model, loader, macs=0.6, recipe="uniform", timed=False)


def factorised(model: nn.Module, loader: Loader) -> nn.Module:
    factors = {"stem": cct.Factor("svd", 0.5)}
    return cct.factorise(model, factors, loader[0][0], calibration=loader)


def recalibrated(model: nn.Module, loader: Loader) -> nn.Module:
    return cct.recalibrate(model, loader)


def fitted(model: nn.Module, loader: Loader) -> nn.Module:
    x = loader[0][0]
    small: Any = cct.apply(model, every_other(model, x), x, timed=False)
    graph = cct.trace(model, x)
    cct.fit_next_layers(small, model, graph, small.report.kept, loader)
    return small


@pytest.mark.parametrize(
    "made", [applied, compressed, factorised, recalibrated, fitted]
)
def test_what_is_made_in_inference_mode_is_trained(
    residual, loader, made: Make
) -> None:
    x: Tensor = loader[0][0]
    with torch.inference_mode():
        small = made(residual, loader)
    small.train()(x).sum().backward()
    assert all(p.grad is not None for p in small.parameters())
