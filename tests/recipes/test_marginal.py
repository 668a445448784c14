"""Marginal analysis: within budgets, nothing can be put back, near the best."""

import itertools

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import taylor_removal
from ccsolve.errors import Infeasible
from ccsolve.recipes.bills import Bills
from ccsolve.recipes.marginal import marginal_widths
from ccsolve.recipes.steps import admissible_steps
from ccsolve.statistics import Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain
from tests.recipes.budgets import assert_used_up, limits_of

STATS = random_chain((16, 24, 9, 32))
SIZES = {name: group.size for name, group in STATS.groups.items()}
LOSSES = {name: taylor_removal(STATS, name).loss for name in SIZES}


def total(losses: dict[str, np.ndarray], widths: dict[str, int]) -> float:
    return sum(losses[name][len(losses[name]) - 1 - k] for name, k in widths.items())


def separate(sizes: dict[str, int], macs: dict[str, int]) -> Statistics:
    """Give groups whose costs are linear and know nothing of each other."""
    operations = tuple(
        Operation(name, "conv", (), name, (Term((name,), macs[name], 1),))
        for name in sizes
    )
    groups = {name: Group(name, size) for name, size in sizes.items()}
    return Statistics(groups, operations=operations)


@pytest.mark.parametrize("multiple", [1, 4, 8])
@pytest.mark.parametrize("resource", ["macs", "params", "both"])
@pytest.mark.parametrize("fraction", [0.31, 0.5, 0.75, 0.99, 1.0])
def test_budgets_hold_and_nothing_can_be_put_back(
    fraction: float, resource: str, multiple: int
):
    limits = limits_of(STATS, fraction, resource)
    widths = marginal_widths(STATS, limits, LOSSES, multiple_of=multiple)
    assert_used_up(STATS, limits, widths, multiple)


@pytest.mark.parametrize("seed", range(8))
def test_near_the_best_on_convex_losses(seed: int):
    """What is left open is less than the loss of one more step of any group."""
    rng = np.random.default_rng(seed)
    sizes = {"a": 5, "b": 7, "c": 4}
    stats = separate(sizes, {name: int(rng.integers(1, 9)) for name in sizes})
    losses = {
        name: np.concatenate([[0], np.cumsum(np.sort(rng.random(size)))])
        for name, size in sizes.items()
    }
    limit = int(0.6 * stats.cost().macs)
    widths = marginal_widths(stats, {"macs": limit}, losses)
    feasible = [
        dict(zip(sizes, k, strict=True))
        for k in itertools.product(*(range(1, size + 1) for size in sizes.values()))
    ]
    best = min(total(losses, k) for k in feasible if stats.cost(k).macs <= limit)
    steps = [
        losses[g][-1 - k + 1] - losses[g][-1 - k] for g, k in widths.items() if k > 1
    ]
    assert best <= total(losses, widths) <= best + max(map(abs, steps))


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.7])
def test_below_the_loss_of_uniform_widths(fraction: float):
    uniform = ccsolve.plan(STATS, macs=fraction, recipe="uniform").widths
    limits = {"macs": fraction * STATS.cost().macs}
    assert total(LOSSES, marginal_widths(STATS, limits, LOSSES)) < total(
        LOSSES, uniform
    )


def test_losses_that_fall_again_are_not_believed():
    """Group a seems to cost nothing once it is empty; b costs 2 at every step."""
    stats = separate({"a": 5, "b": 5}, {"a": 1, "b": 1})
    losses = {"a": np.array([0, 3, 3, 1, 0, 0.0]), "b": 2 * np.arange(6.0)}
    assert marginal_widths(stats, {"macs": 6}, losses) == {"a": 5, "b": 1}


def test_what_costs_nothing_stays():
    stats = separate({"a": 4, "free": 4}, {"a": 1, "free": 0})
    losses = {"a": np.arange(5.0), "free": np.zeros(5)}
    assert marginal_widths(stats, {"macs": 2}, losses) == {"a": 2, "free": 4}


def test_narrowest_networks_are_found_and_named():
    least = STATS.cost(dict.fromkeys(SIZES, 2)).macs
    widths = marginal_widths(STATS, {"macs": least}, LOSSES, min_keep=2)
    assert set(widths.values()) == {2}
    with pytest.raises(Infeasible, match=rf"macs = {least - 1}, .* takes {least}"):
        marginal_widths(STATS, {"macs": least - 1}, LOSSES, min_keep=2)


@pytest.mark.parametrize("seed", range(3))
def test_bills_price_every_change(seed: int):
    rng = np.random.default_rng(seed)
    square = Operation("s", "conv", (), None, (Term(("conv1", "conv1"), 7, 3),))
    stats = Statistics(STATS.groups, operations=(*STATS.operations, square))
    k = np.array([rng.integers(1, size + 1) for size in SIZES.values()])
    by = np.array([rng.integers(-width, 1) for width in k])
    before = dict(zip(SIZES, k.tolist(), strict=True))
    bills = Bills.of(stats, ["macs", "params"], admissible_steps(stats))
    assert bills.at(k).tolist() == [stats.cost(before).macs, stats.cost(before).params]
    changes = bills.changes(k, by)
    for place, name in enumerate(SIZES):
        after = before | {name: before[name] + int(by[place])}
        for row, resource in enumerate(("macs", "params")):
            exact = getattr(stats.cost(after), resource) - getattr(
                stats.cost(before), resource
            )
            assert changes[row, place] == pytest.approx(exact)
