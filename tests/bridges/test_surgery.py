"""Smaller models: equal to closed gates, within budgets; bad plans are refused."""

import copy
import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct
from ccsolve import Plan
from ccsolve.errors import InvalidProblem, WrongAnswer
from tests.bridges.plans import every_other

pytestmark = pytest.mark.torch


def test_the_smaller_model_equals_closed_gates(model, samples) -> None:
    x = samples[0]
    plan = every_other(model, x)
    small: Any = cct.apply(model, plan, x)
    assert small.report.equivalence < 1e-4
    graph = cct.trace(model, x)
    zeroed = copy.deepcopy(model)
    with torch.no_grad():
        for name, group in graph.groups.items():
            gone = ~np.isin(np.arange(group.size), plan.keep[name])
            for read in group.reads:
                columns = torch.from_numpy((read.classes >= 0) & gone[read.classes])
                zeroed.get_parameter(read.weight)[:, columns] = 0
        torch.testing.assert_close(small(x), zeroed(x), rtol=1e-4, atol=1e-5)


def test_the_report_counts_the_smaller_model_itself(model, samples) -> None:
    small: Any = cct.apply(model, every_other(model, samples[0]), samples[0])
    report = small.report
    assert report.achieved == cct.count(small, samples[0])
    assert report.original == cct.count(model, samples[0])
    assert report.achieved.params == sum(p.numel() for p in small.parameters())
    assert report.achieved.macs < report.original.macs
    assert "% removed" in str(report)


def test_the_smaller_model_is_an_ordinary_one(make, loader) -> None:
    model = make("plain").train()
    x, y = loader[0]
    plan = every_other(model, x)
    before = copy.deepcopy(model.state_dict())
    small: Any = cct.apply(model, plan, x)
    assert small.training
    assert small[0].out_channels == small[2].in_channels == 3
    assert small[1].num_parameters == 3
    assert small[3].num_features == 4
    assert small[7].in_features == 16
    nn.functional.cross_entropy(small(x), y).backward()
    assert all(p.grad is not None for p in small.parameters())
    again = cct.trace(small, x)
    assert {n: g.size for n, g in again.groups.items()} == {"0": 3, "2": 4, "7": 5}
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_smaller_model_is_copied_with_its_report_and_made_smaller_again(
    residual, loader
) -> None:
    small = cct.compress(residual, loader, macs=0.8)
    assert str(copy.deepcopy(small).report) == str(small.report)
    smaller = cct.compress(small, loader, macs=0.8)
    assert cct.count(smaller, loader[0][0]).macs < cct.count(small, loader[0][0]).macs


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_compared_by_their_own_rounding(
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(1)
    sizes = (20, 300, 200, 64)
    linear = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    model = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    model, x = model.to(dtype), torch.randn(256, 20).to(dtype)
    small: Any = cct.apply(model, every_other(model, x), x)
    assert small.report.equivalence <= max(1e-4, 8 * torch.finfo(dtype).eps)


def test_plans_of_ccsolve_are_kept_to(residual, loader) -> None:
    stats = cct.collect(residual, loader)
    plan = ccsolve.plan(stats, macs=0.6, recipe="uniform")
    small: Any = cct.apply(residual, plan, loader[0][0], calibration=loader)
    assert small.report.repair.asked == "least_squares"
    assert small.report.achieved.macs == plan.achieved["macs"] <= plan.asked["macs"]
    assert small.report.achieved.params == plan.achieved["params"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "of another"}, "fingerprint"),
        ({"keep": {"third.conv1": [0]}, "sizes": {"third.conv1": 4}}, "third.conv1"),
        ({"original": {"macs": 7.0}}, "7 macs"),
        ({"keep": {"first.conv1": []}, "sizes": {"first.conv1": 5}}, "one or more"),
        ({"keep": {"first.conv1": [1, 8]}, "sizes": {"first.conv1": 9}}, "0 to 4"),
    ],
)
def test_plans_for_another_model_are_refused(
    residual, samples, change, message
) -> None:
    fields = {
        "recipe": "by hand",
        "keep": {"first.conv1": [0, 3]},
        "sizes": {"first.conv1": 5},
        "fingerprint": cct.fingerprint(residual),
    }
    with pytest.raises(InvalidProblem, match=message):
        cct.apply(residual, Plan(**{**fields, **change}), samples[0])


def test_other_weights_are_allowed_on_request(residual, samples) -> None:
    plan = every_other(residual, samples[0])
    other = copy.deepcopy(residual)
    nn.init.ones_(other.linear.bias)
    with pytest.raises(InvalidProblem, match="check_fingerprint=False"):
        cct.apply(other, plan, samples[0])
    small: Any = cct.apply(other, plan, samples[0], check_fingerprint=False)
    assert small.report.equivalence < 1e-4


@pytest.mark.parametrize(
    ("repair", "message"), [("magic", "magic"), ("recalibrate", "needs calibration")]
)
def test_bad_repairs_are_refused(residual, samples, repair, message) -> None:
    plan = every_other(residual, samples[0])
    with pytest.raises(InvalidProblem, match=message):
        cct.apply(residual, plan, samples[0], repair=repair)


class Scale(nn.Module):
    """A width that no graph shows."""

    def forward(self, x: Tensor) -> Tensor:
        return x / math.sqrt(x.shape[1])


class Hidden(nn.Module):
    """One module meets streams of two widths: no single number can be written in it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1)
        self.c, self.d = nn.Conv2d(6, 5, 1), nn.Conv2d(5, 4, 1)
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.scale(self.a(x)))
        x = torch.relu(self.scale(self.b(x)))
        return self.d(torch.relu(self.c(x)))


class Literal(nn.Module):
    """A width written into a view."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x).permute(0, 2, 3, 1).reshape(-1, 4))


def test_a_width_in_the_code_is_found_by_the_check(samples) -> None:
    net, stays = Hidden(), []
    where = r"closed gates.*first in div in scale \(test_surgery.py:\d+\); declare"
    for _ in "ab":
        declared = cct.Declared(ignore=stays)
        plan = every_other(net, samples[0], declared)
        with pytest.raises(WrongAnswer, match=where) as raised:
            cct.apply(net, plan, samples[0], declared=declared)
        stays += re.findall(r"ignore=\['(.)'\]", str(raised.value))
    assert sorted(stays) == ["a", "b"]
    declared = cct.Declared(ignore=stays)
    plan = every_other(net, samples[0], declared)
    small: Any = cct.apply(net, plan, samples[0], declared=declared)
    assert small.report.equivalence < 1e-4


def test_a_width_in_a_view_is_mended(samples) -> None:
    net = Literal()
    small: Any = cct.apply(net, every_other(net, samples[0]), samples[0])
    assert small.report.equivalence < 1e-4
    assert small.b.in_features == 2


def test_compress_does_all_of_it(residual, loader) -> None:
    small: Any = cct.compress(residual, loader, macs=0.6, recipe="uniform")
    assert small.report.achieved.macs <= 0.6 * small.report.original.macs
    assert small.report.repair.asked == "least_squares"


def test_steps_end_at_the_asked_budget(residual, loader) -> None:
    dense = cct.count(residual, loader[0][0])
    smaller: list[Any] = [
        cct.compress(residual, loader, params=0.6, steps=steps, recipe="uniform")
        for steps in (1, 3)
    ]
    for small in smaller:
        assert small.report.original == dense
        assert 0.4 * dense.params < small.report.achieved.params <= 0.6 * dense.params
        assert small.report.equivalence < 1e-4


@pytest.mark.parametrize("bad", [{}, {"macs": 0.0}, {"macs": 1.5}, {"macs": True}])
@pytest.mark.parametrize("steps", [1, 2])
def test_compress_refuses_bad_budgets(residual, loader, bad, steps) -> None:
    with pytest.raises(InvalidProblem, match=r"macs"):
        cct.compress(residual, loader, **bad, steps=steps, recipe="uniform")
    with pytest.raises(InvalidProblem, match="steps = 0"):
        cct.compress(residual, loader, macs=0.5, steps=0)
