"""Budgets on latency and memory: held by every rule, best by the program."""

import itertools
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import taylor_removal
from ccsolve.errors import MissingStatistics
from ccsolve.recipes.bills import Bills
from ccsolve.recipes.exact import exact_widths
from ccsolve.recipes.ladders import ladders, loss_at
from ccsolve.recipes.steps import admissible_steps, fits
from ccsolve.statistics import Statistics
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.latency import LatencyTable
from ccsolve.statistics.memory import Bytes, Memory

SIZES = (5, 6, 4)


def with_resources(seed: int) -> Statistics:
    """Give a chain whose pairs have rising step tables and whose steps have bytes."""
    bare, rng = random_chain(SIZES, seed=seed), np.random.default_rng(seed)
    names = list(bare.groups)
    grids = [np.array([2, size]) for size in SIZES]
    tables = [
        LatencyTable(
            f"{first}-{second}",
            np.sort(rng.uniform(1, 9, 4)).reshape(2, 2),
            {names[first]: 1},
            {names[second]: 1},
            grids[first],
            grids[second],
        )
        for first, second in itertools.pairwise(range(len(names)))
    ]
    steps = tuple(
        tuple(Bytes((name,), float(rng.integers(1, 9))) for name in pair)
        for pair in itertools.combinations(names, 2)
    )
    weights = (Bytes((names[0], names[1]), 2.0), Bytes((), 5.0))
    return Statistics(
        bare.groups,
        bare.layers,
        bare.operations,
        latency=tuple(tables),
        memory=Memory(weights, steps),
    )


def every_width(stats: Statistics):
    steps = admissible_steps(stats)
    for widths in itertools.product(*steps.values()):
        yield dict(zip(steps, widths, strict=True))


RESOURCES = [("latency",), ("memory",), ("macs", "latency"), ("params", "memory")]


@pytest.mark.parametrize("resources", [*RESOURCES, ("macs", "latency", "memory")])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_widths_within_the_budgets(resources: tuple[str, ...], seed: int):
    stats = with_resources(seed)
    losses = {name: taylor_removal(stats, name).loss for name in stats.groups}
    rungs = ladders(admissible_steps(stats), losses)
    limits = {name: 0.7 * stats.cost().of(name) for name in resources}
    found = exact_widths(stats, limits, losses)
    assert fits(stats, limits, found.widths)
    best = min(loss_at(rungs, k) for k in every_width(stats) if fits(stats, limits, k))
    assert found.bound <= best + found.resolution
    # Few steps of a chain can be the peak: the program sees them all.
    assert found.loss == pytest.approx(best, rel=1e-6, abs=found.resolution)
    assert set(found.prices) == set(resources)


@pytest.mark.parametrize("recipe", ["uniform", "allocated", "ccp"])
@pytest.mark.parametrize("resource", ["latency", "memory"])
def test_every_recipe_holds_them(recipe: str, resource: str):
    stats = with_resources(1)
    options: dict[str, Any] = {"recipe": recipe, resource: 0.7}
    options |= {"losses": "taylor"} if recipe == "allocated" else {}
    plan = ccsolve.plan(stats, **options)
    assert plan.achieved[resource] <= plan.asked[resource]
    assert plan.achieved[resource] == stats.cost(plan.widths).of(resource)


def test_what_was_not_collected_is_asked_for():
    bare = random_chain(SIZES)
    for resource in ("latency", "memory"):
        with pytest.raises(MissingStatistics, match=f"hold no {resource}"):
            budget: dict[str, Any] = {resource: 0.5}
            ccsolve.plan(bare, **budget)


@pytest.mark.parametrize("seed", range(3))
def test_bills_price_every_change(seed: int):
    stats, rng = with_resources(seed), np.random.default_rng(seed)
    resources = ["memory", "macs", "latency", "params"]
    steps = admissible_steps(stats)
    bills = Bills.of(stats, resources, steps)
    k = np.array([rng.integers(1, size + 1) for size in SIZES])
    by = np.array([rng.integers(1 - width, 1) for width in k], dtype=float)
    before = dict(zip(steps, k.tolist(), strict=True))
    now = [stats.cost(before).of(name) for name in resources]
    assert bills.at(k) == pytest.approx(now)
    changes = bills.changes(k, by)
    for place, name in enumerate(steps):
        after = before | {name: before[name] + int(by[place])}
        exact = [stats.cost(after).of(resource) for resource in resources]
        assert changes[:, place] == pytest.approx(np.array(exact) - np.array(now))


def test_a_front_over_memory_falls():
    stats = with_resources(2)
    for over in ("memory", "latency"):
        front = ccsolve.pareto(stats, over, losses="taylor", points=8)
        assert (np.diff(front.column("loss")) < 0).all()
        assert (front.column("cost") <= front.column("limit")).all()
        assert (front.column("bound") <= front.column("loss")).all()
