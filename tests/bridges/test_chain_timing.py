"""Measured times of chains, and the plan that they give."""

from typing import Any

import pytest
import torch

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem
from ccsolve.recipes.chains import chainables

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("recipe", ["svd", "tucker"])
def test_a_plan_within_measured_latency(residual, loader, samples, recipe) -> None:
    x = samples[0]
    stats = cct.collect(residual, loader)
    stats = cct.measure_latency(residual, stats, x, seconds=0.1, multiple_of=2)
    before = [(n, m.training) for n, m in residual.named_modules()]
    times = cct.measure_chains(
        residual, stats, x, recipe=recipe, multiple_of=2, ranks=3, seconds=0.1
    )
    assert [(n, m.training) for n, m in residual.named_modules()] == before
    assert set(times) == set(chainables(stats))
    for known in times.values():
        assert () in known and len(known) <= 4
        assert all(time > 0 for time in known.values())
        assert all(
            rank % 2 == 0 or len(ranks) == 2 for ranks in known for rank in ranks
        )
    dense = stats.cost().of("latency")
    whole = sum(known[()] for known in times.values())
    least = dense - whole + sum(min(known.values()) for known in times.values())
    # On a network this small chains may be no faster than the layers.
    budget = min(1.0, (0.5 * least + 0.5 * dense) / dense)
    plan = ccsolve.plan(
        stats, latency=budget, recipe=recipe, times=times, multiple_of=2
    )
    assert plan.achieved["latency"] <= plan.asked["latency"]
    assert all(one.ranks in times[name] for name, one in plan.factors.items())
    small: Any = cct.apply(residual, plan, x, timed=False)
    assert small.report.achieved.macs == plan.achieved["macs"]


def test_what_cannot_be_measured_is_refused(residual, make, loader, samples) -> None:
    stats, x = cct.collect(residual, loader), samples[0]
    other = make("residual").eval()
    with torch.no_grad():
        other.stem.weight.add_(1)
    with pytest.raises(InvalidProblem, match="another model"):
        cct.measure_chains(other, stats, x)
    with pytest.raises(InvalidProblem, match="recipe"):
        cct.measure_chains(residual, stats, x, recipe="ccp")
    with pytest.raises(InvalidProblem, match="ranks"):
        cct.measure_chains(residual, stats, x, ranks=0)
