"""Reports tell costs, checks, memory and times; models of other kinds get an answer."""

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem
from ccsolve_torch.running.footprint import footprint, peak_activations, weight_bytes
from ccsolve_torch.running.latency import Latency, measured
from tests.bridges.plans import every_other

pytestmark = pytest.mark.torch


@pytest.fixture
def small(residual, loader) -> Any:
    x = loader[0][0]
    return cct.apply(residual, every_other(residual, x), x, calibration=loader)


def test_a_report_is_json(small) -> None:
    data = small.report.data()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["achieved"]["macs"] == small.report.achieved.macs
    assert data["repair"]["done"] == list(small.report.repair.done)
    assert data["latency"]["runs"] >= 3
    kept = {name: np.asarray(classes) for name, classes in data["kept"].items()}
    assert all((kept[name] == small.report.kept[name]).all() for name in kept)


def test_a_report_reads_well(small) -> None:
    assert "\n" not in repr(small.report)
    assert len(repr(small.report)) < 200
    text = str(small.report)
    for word in ("macs", "params", "weights", "activations", "latency", "closed gates"):
        assert word in text
    assert str(copy.deepcopy(small.report)) == text


def test_a_gain_below_the_prediction_is_warned_of(small) -> None:
    predicted = small.report.original.macs / small.report.achieved.macs
    slow = replace(small.report, latency=Latency(1.0, 1.0, 5, 8))
    fast = replace(small.report, latency=Latency(1.0, 1.0 / predicted, 5, 8))
    (warning,) = slow.warnings
    assert f"{predicted:.2f}" in warning
    assert f"warning: {warning}" in str(slow)
    assert fast.warnings == ()
    assert "warning" not in str(fast)
    assert replace(small.report, latency=None).warnings == ()


def test_the_memory_is_that_of_the_two_models(small, residual, loader) -> None:
    before, after = small.report.memory
    assert before == footprint(residual, loader[0][0])
    assert after == footprint(small, loader[0][0])
    assert after.weights < before.weights
    assert after.activations < before.activations


class Known(nn.Module):
    """Three tensors alive at once, of four that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(7))
        self.register_buffer("count", torch.zeros(2, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        a = x * 2
        b = a.view(-1) + 1  # a view holds no memory of its own
        del a
        c = (b * 3).clone()  # both while the copy is made
        return c.sum()


def test_memory_is_counted_by_hand() -> None:
    x = torch.ones(5, 20)
    assert peak_activations(Known(), x) == 3 * 100 * 4
    assert weight_bytes(Known()) == 7 * 4 + 2 * 8


def test_tied_weights_weigh_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    assert weight_bytes(model) == 16 * 4


def test_models_run_in_turns() -> None:
    order: list[str] = []

    class Named(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, x: Tensor) -> Tensor:
            assert not self.training
            order.append(self.name)
            return x

    found = measured(Named("a"), Named("b"), torch.ones(3, 1), seconds=0.0)
    assert order == ["a", "b"] * (len(order) // 2)
    assert found.runs == 3
    assert found.samples == 3
    assert found.before > 0
    assert found.after > 0


def test_exact_groups_are_checked_and_others_measured() -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.norm = nn.Linear(6, 8), nn.LayerNorm(8)
            self.down, self.head = nn.Linear(8, 10), nn.Linear(10, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.down(self.norm(self.up(x)))))

    torch.manual_seed(0)
    model, x = Normed().eval(), torch.randn(9, 6)
    small: Any = cct.apply(model, every_other(model, x), x)
    report = small.report
    assert report.equivalence < 1e-6
    assert report.approximation is not None
    assert report.approximation > 1e-3
    (reason,) = report.approximate.values()
    assert "norm" in reason
    assert reason in str(report)


class Beside(nn.Module):
    """Its convolutions can be cut, and its output may not ask for them."""

    def __init__(self, asks: bool) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)
        self.asks = asks

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(torch.relu(self.a(x)))
        return x.mean(dim=(1, 2, 3)) + y.mean(dim=(1, 2, 3)) * float(self.asks)


def test_a_check_that_could_not_fail_is_said(loader) -> None:
    x = loader[0][0]
    for asks in (True, False):
        model = Beside(asks).eval()
        plan = every_other(model, x)
        report: Any = cct.apply(model, plan, x, timed=False).report
        assert report.equivalence < 1e-4
        assert (report.masking > 1e-3) == asks
        assert f"change the outputs by {report.masking:.1e}" in str(report)
        assert any("could not fail" in warning for warning in report.warnings) != asks


def test_models_on_meta_are_refused(residual, loader) -> None:
    plan = every_other(residual, loader[0][0])
    with pytest.raises(InvalidProblem, match="meta"):
        cct.apply(copy.deepcopy(residual).to("meta"), plan, loader[0][0])


def test_wrapped_models_are_refused(residual, loader) -> None:
    plan = every_other(residual, loader[0][0])
    with pytest.raises(InvalidProblem, match=r"model\.module"):
        cct.apply(nn.DataParallel(residual), plan, loader[0][0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_cut_and_repaired(make, loader, dtype) -> None:
    model = make("residual").eval().to(dtype)
    half = [(x.to(dtype), y) for x, y in loader]
    x = half[0][0]
    small: Any = cct.apply(model, every_other(model, x), x, calibration=half)
    assert all(p.dtype == dtype for p in small.parameters())
    distances = small.report.repair.distances
    assert distances["least_squares"] < 0.8 * distances["cut"]


def test_hooks_are_carried_and_left(residual, loader) -> None:
    x, seen = loader[0][0], []

    def hook(module: nn.Module, args: Any, y: Tensor) -> Tensor:
        seen.append(tuple(y.shape))
        return y * 2

    plan = every_other(residual, x)
    residual.first.bn1.register_forward_hook(hook)
    small: Any = cct.apply(residual, plan, x, check_fingerprint=False)
    seen.clear()
    small(x)
    assert seen == [(len(x), small.first.bn1.num_features, 8, 8)]
    residual(x)
    assert seen[1:] == [(len(x), residual.first.bn1.num_features, 8, 8)]


def test_a_computed_weight_keeps_its_channels_and_says_so(residual, loader) -> None:
    x = loader[0][0]
    nn.utils.parametrizations.weight_norm(residual.first.conv1)
    plan = every_other(residual, x)
    assert list(plan.keep) == ["second.conv1"]
    small: Any = cct.apply(residual, plan, x, calibration=loader)
    assert small.report.equivalence < 1e-4
    assert any("computes its weight" in why for why in small.report.frozen.values())
