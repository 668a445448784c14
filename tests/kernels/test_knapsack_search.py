"""Cores of options: bounds, lists, trees and moves against every point."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from ccsolve.kernels.knapsack_core import (
    Core,
    Node,
    price_allowed,
    raise_bound,
    reduced_cost,
    rounding,
)
from ccsolve.kernels.knapsack_listing import Incumbent, list_points
from ccsolve.kernels.knapsack_master import Proposals
from ccsolve.kernels.knapsack_moves import improve, mend, refill
from ccsolve.kernels.knapsack_tree import Tree, explore, open_bound


def drawn(seed: int, budgets: int = 2) -> Core:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, 5)
    first = np.concatenate([[0], np.cumsum(sizes)])
    losses, costs = rng.random(first[-1]), rng.random((first[-1], budgets))
    return Core(
        losses=losses,
        costs=costs,
        first=first,
        layers=np.repeat(np.arange(5), sizes),
        room=rng.uniform(1.8, 3.2, budgets),
        margin=np.full(budgets, 1e-13),
        base=0.5,
        weight=float(np.maximum.reduceat(losses, first[:-1]).sum()) + 0.5,
    )


def node_of(core: Core, alive: np.ndarray | None = None) -> Node:
    layers, budgets = len(core.first) - 1, len(core.room)
    return Node(
        alive=np.ones(len(core.losses), np.bool_) if alive is None else alive,
        choice=np.zeros(layers, np.int64),
        prices=np.full(budgets, 0.3),
        least=np.zeros(layers),
        trial=np.zeros(layers, np.int64),
        tried=np.zeros(budgets),
        spent=np.zeros(layers),
    )


def store_of(core: Core, count: int = 8) -> tuple[Proposals, np.ndarray]:
    layers, budgets = len(core.first) - 1, len(core.room)
    store = Proposals(
        np.zeros(count),
        np.zeros((count, budgets)),
        np.zeros((count, layers), np.int64),
        np.zeros(count),
    )
    return store, np.zeros(2, np.int64)


def points(core: Core) -> Iterator[tuple[np.ndarray, float, bool]]:
    """Give every choice, its loss, and whether it keeps the budgets."""
    spans = zip(core.first[:-1], core.first[1:], strict=True)
    for choice in itertools.product(*(range(a, b) for a, b in spans)):
        x = np.array(choice)
        spent = core.costs[x].sum(axis=0)
        yield x, core.base + core.losses[x].sum(), bool((spent <= core.room).all())


def best_of(core: Core, alive: np.ndarray | None = None) -> float:
    return min(
        (
            loss
            for x, loss, fits in points(core)
            if fits and (alive is None or alive[x].all())
        ),
        default=np.inf,
    )


def incumbent_of(core: Core, goal: float) -> Incumbent:
    choice = np.zeros(len(core.first) - 1, np.int64)
    return Incumbent(choice, np.array([np.inf, goal, np.inf]), np.array([0.0, 1e-12]))


@pytest.mark.parametrize("seed", range(15))
def test_bounds_hold_and_rise_from_node_to_node(seed: int):
    core = drawn(seed, 1 + seed % 4)
    rng = np.random.default_rng(seed)
    store, held = store_of(core)
    for _ in range(4):
        alive = rng.random(len(core.losses)) < 0.7
        alive[core.first[:-1]] = True
        node = node_of(core, alive)
        start = price_allowed(core, alive, node.prices, node.choice, node.least)
        bound = raise_bound(core, node, store, held, 5.0)
        slack = rounding(core, node.prices, bound)
        assert start <= bound and slack < 1e-9
        assert bound - slack <= best_of(core, alive)
        assert held[0] <= len(store.losses)
        again = price_allowed(core, alive, node.prices, node.trial, node.spent)
        assert again == pytest.approx(bound, rel=1e-12)
        for j in np.flatnonzero(alive):
            assert reduced_cost(core, node, j) >= -1e-12


@pytest.mark.parametrize("seed", range(15))
def test_lists_find_the_best_point_below_the_goal(seed: int):
    core = drawn(seed, 1 + seed % 4)
    node = node_of(core)
    bound = price_allowed(core, node.alive, node.prices, node.choice, node.least)
    best = best_of(core)
    for goal in (bound + 0.2, best - 1e-9, best + 1e-9, 4.0):
        incumbent = incumbent_of(core, goal)
        assert list_points(core, node, incumbent, bound, 1e-12, 10**6)
        assert incumbent.values[2] == np.inf
        if best < goal:
            assert incumbent.values[0] == pytest.approx(best, rel=1e-12)
            assert core.losses[incumbent.choice].sum() + core.base == pytest.approx(
                best
            )
        else:
            assert incumbent.values[1] == goal


def test_a_list_that_takes_too_long_says_so():
    core = drawn(3)
    node = node_of(core)
    bound = price_allowed(core, node.alive, node.prices, node.choice, node.least)
    assert not list_points(core, node, incumbent_of(core, 5.0), bound, 1e-12, 1)


@pytest.mark.parametrize("listing", [0, 3, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_the_exhausted_tree_proves_its_goal(seed: int, listing: int):
    core = drawn(seed, 1 + seed % 4)
    size, budgets = len(core.losses), len(core.room)
    tree = Tree(
        trail=np.zeros(size, np.int64),
        start=np.zeros(size + 3, np.int64),
        layer=np.zeros(size + 1, np.int64),
        parted=np.zeros(size + 1, np.int64),
        second=np.zeros(size + 1, np.bool_),
        prices=np.zeros((size + 2, budgets)),
        bounds=np.full(size + 2, -np.inf),
        depth=np.zeros(1, np.int64),
        listing=listing,
    )
    node, (store, held), incumbent = (
        node_of(core),
        store_of(core),
        incumbent_of(core, 9),
    )
    best, nodes = best_of(core), 0
    while not explore(core, node, store, held, incumbent, tree, 1):
        nodes += 1
        assert open_bound(incumbent, tree) <= best + 1e-9
        assert nodes < 1000
    assert incumbent.values[0] == pytest.approx(best, rel=1e-12)
    assert best == np.inf or incumbent.values[1] == pytest.approx(best, abs=1e-9)


def test_points_within_rounding_of_a_budget_are_left_undecided():
    core = drawn(0)
    x = core.first[:-1]
    at = core.costs[x].sum(axis=0)
    core = core._replace(room=at, margin=np.full(2, 1e-6))
    node, incumbent = node_of(core), incumbent_of(core, 9.0)
    bound = price_allowed(core, node.alive, node.prices, node.choice, node.least)
    assert list_points(core, node, incumbent, bound, 1e-12, 10**6)
    loss = core.base + core.losses[x].sum()
    assert min(incumbent.values[0], incumbent.values[2]) <= loss + 1e-12


@pytest.mark.parametrize("seed", range(15))
def test_moves_keep_the_budgets_and_never_lose(seed: int):
    core = drawn(seed, 1 + seed % 3)
    choice, free = core.first[:-1].copy(), np.zeros(len(core.room))
    state = mend(core, choice, free, 1000)
    assert state in (-1, 1)
    if state < 0:
        return
    losses = [core.base + core.losses[choice].sum()]
    assert refill(core, choice, 1000)
    losses.append(core.base + core.losses[choice].sum())
    improve(core, choice, np.arange(len(core.losses)), 10**6)
    losses.append(core.base + core.losses[choice].sum())
    assert losses == sorted(losses, reverse=True)
    assert (core.costs[choice].sum(axis=0) <= core.room).all()
    for x, loss, fits in points(core):
        if (x != choice).sum() <= 2 and fits:
            assert loss >= losses[-1] - 1e-12


def test_mending_stops_after_so_many_changes():
    core = drawn(2)
    dearest = [
        first + core.costs[first:last].sum(axis=1).argmax()
        for first, last in itertools.pairwise(core.first)
    ]
    choice = np.array(dearest)
    assert mend(core._replace(room=np.full(2, 1.2)), choice, np.zeros(2), 0) == 0


def test_mending_never_takes_an_option_for_itself():
    """What is left of the excess is less than any change takes off: -1, at once."""
    core = drawn(2)
    cheapest = np.array(
        [
            first + core.costs[first:last].sum(axis=1).argmin()
            for first, last in itertools.pairwise(core.first)
        ]
    )
    spent = core.costs[cheapest].sum(axis=0)
    for share in 10.0 ** -np.arange(6.0, 13.0):
        choice = cheapest.copy()
        tight = core._replace(room=spent * (1.0 - share))
        assert mend(tight, choice, np.zeros(2), 100) == -1
