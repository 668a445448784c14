"""The whole bridge on an accelerator gives what it gives on the CPU."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct

pytestmark = [pytest.mark.torch, pytest.mark.gpu]

DEVICE = torch.device("cuda")


@pytest.fixture(autouse=True)
def exact() -> None:
    """Compare without TensorFloat-32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def there(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).to(DEVICE)


@pytest.mark.parametrize("layers", ["weights", "moments"])
def test_statistics_are_those_of_the_cpu(model, loader, layers) -> None:
    here = cct.collect(model, loader, layers=layers)
    moved = cct.collect(there(model), loader, layers=layers)
    for name, group in here.groups.items():
        other = moved.groups[name]
        assert np.allclose(group.hessian(), other.hessian(), rtol=1e-3, atol=1e-5)
        assert group.gradient is not None
        assert other.gradient is not None
        assert np.allclose(group.gradient, other.gradient, rtol=1e-3, atol=1e-5)
    for name, layer in here.layers.items():
        other = moved.layers[name]
        if layer.input_moment is not None and other.input_moment is not None:
            assert np.allclose(layer.input_moment, other.input_moment, rtol=1e-3)


@pytest.mark.parametrize("repair", ["none", "recalibrate", "least_squares"])
def test_a_smaller_model_stays_on_the_device(residual, loader, repair) -> None:
    model = there(residual)
    plan = ccsolve.plan(cct.collect(model, loader), macs=0.6)
    small: Any = cct.apply(model, plan, loader[0][0], calibration=loader, repair=repair)
    assert {value.device.type for value in small.state_dict().values()} == {"cuda"}
    assert small.report.equivalence <= 1e-4


def test_compress_ends_within_the_budget_and_trains(residual, samples) -> None:
    x, y = samples
    loader = [(x, y)]
    small = cct.compress(there(residual), loader, macs=0.6, steps=2)
    cct.finetune(small, loader, epochs=1)
    assert all(bool(p.isfinite().all()) for p in small.parameters())
    assert _macs(small, x) <= 0.6 * _macs(residual, x)


def test_statistics_under_autocast_are_finite(residual, loader) -> None:
    with torch.autocast("cuda", dtype=torch.float16):
        stats = cct.collect(there(residual), loader)
    assert all(np.isfinite(group.hessian()).all() for group in stats.groups.values())


def _macs(model: nn.Module, x: Tensor) -> float:
    return cct.count(model, x.to(next(model.parameters()).device)).macs
