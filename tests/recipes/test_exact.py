"""Exact widths: the best there is, by brute force, under any budgets."""

import itertools

import numpy as np
import pytest

from ccsolve.criteria import taylor_removal
from ccsolve.errors import Infeasible
from ccsolve.recipes.exact import exact_widths
from ccsolve.recipes.ladders import ladders, loss_at
from ccsolve.recipes.marginal import marginal_widths
from ccsolve.recipes.steps import admissible_steps, fits
from ccsolve.recipes.width_program import allocation_program, thinned
from ccsolve.statistics.generate import random_chain

STATS = random_chain((5, 6, 4))
LOSSES = {name: taylor_removal(STATS, name).loss for name in STATS.groups}
WIDE = random_chain((16, 24, 9, 32))
WIDE_LOSSES = {name: taylor_removal(WIDE, name).loss for name in WIDE.groups}


def limits_of(stats, resource: str, fraction: float) -> dict[str, float]:
    dense = stats.cost()
    names = ("macs", "params") if resource == "both" else (resource,)
    return {name: fraction * getattr(dense, name) for name in names}


def best_by_force(stats, limits, losses, multiple: int) -> float:
    steps = admissible_steps(stats, multiple)
    rungs = ladders(steps, losses)
    every = (
        dict(zip(steps, widths, strict=True))
        for widths in itertools.product(*steps.values())
    )
    return min(loss_at(rungs, k) for k in every if fits(stats, limits, k))


@pytest.mark.parametrize("multiple", [1, 2])
@pytest.mark.parametrize("resource", ["macs", "params", "both"])
@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.8, 1.0])
def test_the_best_widths_there_are(fraction: float, resource: str, multiple: int):
    limits = limits_of(STATS, resource, fraction)
    found = exact_widths(STATS, limits, LOSSES, multiple_of=multiple)
    assert fits(STATS, limits, found.widths)
    best = best_by_force(STATS, limits, LOSSES, multiple)
    assert found.loss == pytest.approx(best, rel=1e-6, abs=found.resolution)
    assert found.bound <= best + found.resolution
    assert found.loss - found.bound <= 1e-6 * abs(found.loss) + found.resolution


@pytest.mark.parametrize("resource", ["macs", "params", "both"])
@pytest.mark.parametrize("fraction", [0.31, 0.5, 0.75])
def test_nothing_can_be_put_back(fraction: float, resource: str):
    limits = limits_of(WIDE, resource, fraction)
    found = exact_widths(WIDE, limits, WIDE_LOSSES, multiple_of=4)
    steps = admissible_steps(WIDE, 4)
    for name, width in found.widths.items():
        wider = [step for step in steps[name] if step > width][:1]
        assert not wider or not fits(WIDE, limits, found.widths | {name: wider[0]})


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.7])
def test_never_worse_than_marginal_analysis(fraction: float):
    limits = limits_of(WIDE, "macs", fraction)
    rungs = ladders(admissible_steps(WIDE), WIDE_LOSSES)
    marginal = loss_at(rungs, marginal_widths(WIDE, limits, WIDE_LOSSES))
    found = exact_widths(WIDE, limits, WIDE_LOSSES)
    assert found.bound - found.resolution <= found.loss <= marginal


def test_prices_are_the_fall_of_the_bound():
    """The dual function is concave: a price is a slope of the bound over budgets."""
    limits = limits_of(WIDE, "macs", 0.5)
    found = exact_widths(WIDE, limits, WIDE_LOSSES)
    more = {"macs": limits["macs"] * 1.1}
    other = exact_widths(WIDE, more, WIDE_LOSSES)
    fall = found.prices["macs"] * (more["macs"] - limits["macs"])
    assert found.prices["macs"] > 0
    assert other.loss >= found.bound - fall - 1e-9 * abs(found.loss)


def test_no_time_gives_marginal_analysis_or_better():
    limits = limits_of(WIDE, "macs", 0.5)
    found = exact_widths(WIDE, limits, WIDE_LOSSES, time_limit=0.0)
    assert fits(WIDE, limits, found.widths)
    rungs = ladders(admissible_steps(WIDE), WIDE_LOSSES)
    assert found.loss <= loss_at(rungs, marginal_widths(WIDE, limits, WIDE_LOSSES))


def test_the_program_counts_what_the_network_counts():
    limits = limits_of(WIDE, "both", 0.6)
    rungs = ladders(admissible_steps(WIDE, 3), WIDE_LOSSES)
    program = allocation_program(WIDE, limits, rungs)
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = np.array([rng.integers(len(ladder.widths)) for ladder in rungs.values()])
        widths = {
            name: int(ladder.widths[j])
            for (name, ladder), j in zip(rungs.items(), x, strict=True)
        }
        cost = WIDE.cost(widths)
        left = np.array(list(limits.values())) - program.budgets
        assert program.spent(x) + left == pytest.approx([cost.macs, cost.params])
        assert program.objective(x) == pytest.approx(loss_at(rungs, widths))


def test_long_ladders_are_thinned_around_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ccsolve.recipes.width_program.MOST_ENTRIES", 60)
    rungs = ladders(admissible_steps(WIDE), WIDE_LOSSES)
    limits = limits_of(WIDE, "macs", 0.5)
    start = marginal_widths(WIDE, limits, WIDE_LOSSES)
    kept = thinned(WIDE, limits, rungs, lambda: start)
    for name, ladder in kept.items():
        assert {rungs[name].widths[0], rungs[name].widths[-1], start[name]} <= set(
            ladder.widths
        )
        assert [rungs[name].at(k) for k in ladder.widths] == ladder.losses.tolist()
    found = exact_widths(WIDE, limits, WIDE_LOSSES)
    assert found.bound == -np.inf and not found.solver["all widths"]
    assert fits(WIDE, limits, found.widths)


def test_narrowest_networks_are_found_and_named():
    least = WIDE.cost(dict.fromkeys(WIDE.groups, 2)).macs
    found = exact_widths(WIDE, {"macs": least}, WIDE_LOSSES, min_keep=2)
    assert set(found.widths.values()) == {2}
    with pytest.raises(Infeasible, match=rf"macs = {least - 1}, .* takes {least}"):
        exact_widths(WIDE, {"macs": least - 1}, WIDE_LOSSES, min_keep=2)
