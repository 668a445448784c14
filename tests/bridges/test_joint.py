"""The joint recipe end to end: bottlenecks of real models, fitted one after another."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem
from ccsolve.statistics import Statistics

pytestmark = pytest.mark.torch

NETS = ("residual", "plain", "tokens")


def planned(model: Any, loader: Any, **options: Any) -> tuple[Statistics, Any]:
    stats = cct.collect(model, loader, layers="moments")
    given = {"macs": 0.5, "recipe": "joint", "levels": 5, **options}
    return stats, ccsolve.plan(stats, **given)


@pytest.mark.parametrize("name", NETS)
def test_a_plan_costs_what_it_says(make, loader, name: str) -> None:
    model, x = make(name).eval(), loader[0][0]
    stats, plan = planned(model, loader, leave_out=())
    small: Any = cct.apply(
        model, plan, x, calibration=loader, statistics=stats, timed=False
    )
    counted = cct.count(small, x)
    assert counted.macs <= 0.5 * plan.original["macs"]
    assert {"macs": counted.macs, "params": counted.params} == dict(plan.achieved)
    assert {layer.name for layer in small.report.factored} == set(plan.factors)
    assert torch.isfinite(small(x)).all()


def test_layers_without_a_kernel_become_bottlenecks(loader) -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 14, 1), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(56, 12), nn.Linear(12, 4))
    model, x = nn.Sequential(*layers, *head).eval(), loader[0][0]
    whole = {name: one.size for name, one in cct.trace(model, x).groups.items()}
    stats, plan = planned(model, loader, macs=0.85, leave_out=["0"], fixed=whole)
    assert {"2", "6"} & set(plan.factors)
    small: Any = cct.apply(
        model, plan, x, calibration=loader, statistics=stats, timed=False
    )
    counted = cct.count(small, x)
    assert {"macs": counted.macs, "params": counted.params} == dict(plan.achieved)


@pytest.mark.parametrize("whole", [True, False])
def test_chains_are_the_weights_that_were_fitted(
    residual, loader, tmp_path, whole: bool
) -> None:
    x = loader[0][0]
    widths = {name: one.size for name, one in cct.trace(residual, x).groups.items()}
    # With all channels the network without bottlenecks is the dense one, far nearer.
    fixed = widths if whole else None
    stats, plan = planned(residual, loader, fixed=fixed, macs=0.7)
    assert plan.factors
    small: Any = cct.apply(
        residual, plan, x, calibration=loader, statistics=stats, timed=False
    )
    assert "least_squares" in small.report.repair.done
    # The fit has the ranks already: making the chains loses nothing more.
    assert all(layer.error < 1e-4 for layer in small.report.factored)
    refits = {fit.layer: fit for fit in small.report.repair.refits}
    for name, factor in plan.factors.items():
        assert refits[name].choice.endswith(f"then ranks {factor.ranks}")
    cct.save(small, tmp_path / "bundle")
    loaded: Any = cct.load(lambda: residual, tmp_path / "bundle")
    torch.testing.assert_close(loaded(x), small(x))


def test_fitting_one_after_another_is_nearer_than_chains_alone(
    residual, loader
) -> None:
    x = loader[0][0]
    stats, plan = planned(residual, loader, macs=0.6)
    distances = []
    for repair in ("none", "least_squares"):
        small: Any = cct.apply(
            residual,
            plan,
            x,
            calibration=loader,
            repair=repair,
            statistics=stats,
            timed=False,
        )
        off = (small(x) - residual(x)).detach()
        distances.append(float(off.square().sum()))
    assert distances[1] < distances[0]


def test_without_statistics_all_outputs_count_alike(residual, loader) -> None:
    x = loader[0][0]
    _, plan = planned(residual, loader)
    small: Any = cct.apply(residual, plan, x, calibration=loader, timed=False)
    assert torch.isfinite(small(x)).all()
    assert small.report.repair.asked == "least_squares"


def test_statistics_of_other_networks_are_refused(residual, loader) -> None:
    x = loader[0][0]
    _, plan = planned(residual, loader, leave_out=())
    wide = type(residual)()
    wide.first.conv1 = nn.Conv2d(6, 9, 3, padding=1, bias=False)
    wide.first.bn1 = nn.BatchNorm2d(9)
    wide.first.conv2 = nn.Conv2d(9, 6, 3, padding=1, bias=False)
    others = cct.collect(wide.eval(), loader, layers="moments")
    given: dict[str, Any] = {"calibration": loader, "timed": False}
    with pytest.raises(InvalidProblem, match="statistics: of the fingerprint"):
        cct.apply(residual, plan, x, statistics=others, **given)
    assert "first.conv1" in plan.factors
    given["check_fingerprint"] = False
    with pytest.raises(InvalidProblem, match="9 outputs, where the model's has 5"):
        cct.apply(residual, plan, x, statistics=others, **given)
    wrong: Any = "stats.safetensors"
    with pytest.raises(InvalidProblem, match="statistics: a str"):
        cct.apply(residual, plan, x, statistics=wrong, **given)


def test_compress_goes_all_the_way_and_on_again(residual, loader, tmp_path) -> None:
    x = loader[0][0]
    given: dict[str, Any] = {"macs": 0.5, "recipe": "joint", "timed": False}
    one: Any = cct.compress(residual, loader, folder=tmp_path / "run", **given)
    assert one.report.achieved.macs <= one.report.asked["macs"]
    again: Any = cct.compress(residual, loader, folder=tmp_path / "run", **given)
    np.testing.assert_array_equal(one(x).detach().numpy(), again(x).detach().numpy())
