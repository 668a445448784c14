"""A budget on memory, from collecting to the smaller network: it takes as planned."""

from typing import Any

import pytest
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from ccsolve_torch.running.footprint import footprint

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_the_smaller_network_holds_what_was_planned(
    residual: nn.Module, loader: Any, share: float
):
    stats = cct.collect(residual, loader, layers="weights")
    x = loader[0][0]
    plan = ccsolve.plan(stats, memory=share, recipe="uniform", criterion="l1")
    small: Any = cct.apply(residual, plan, x[:1], timed=False)
    seen = footprint(small, x[:1])
    assert plan.achieved["memory"] <= plan.asked["memory"]
    assert seen.weights + seen.activations == plan.achieved["memory"]
    assert plan.original["memory"] == stats.cost().memory
    planned, asked = plan.achieved["memory"], plan.asked["memory"]
    assert f"memory, as planned: {planned:,.0f}, asked at most {asked:,.0f}" in str(
        small.report
    )


def test_a_budget_on_several_resources_holds_for_all(residual: nn.Module, loader: Any):
    stats = cct.collect(residual, loader, layers="weights")
    timed = cct.measure_latency(
        residual, stats, loader[0][0], multiple_of=2, widths=2, seconds=0.05
    )
    plan = ccsolve.plan(
        timed, macs=0.8, memory=0.7, recipe="uniform", criterion="l1", multiple_of=2
    )
    assert all(plan.achieved[name] <= asked for name, asked in plan.asked.items())
    assert set(plan.original) == {"macs", "params", "latency", "memory"}
    small: Any = cct.apply(residual, plan, torch.randn(2, *loader[0][0].shape[1:]))
    assert small.report.achieved.macs == plan.achieved["macs"]
