"""Fronts: points that fall, bounds below, what-if solves, parallel as in series."""

import itertools

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import Infeasible, InvalidProblem, Unsupported
from ccsolve.statistics import Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain
from tests.recipes.rank_networks import with_runs

CHAIN = random_chain((8, 10, 6))


def separate(seed: int = 0) -> Statistics:
    """Give groups whose costs add up, with the curvature of a chain's."""
    chain = random_chain((9, 12, 7), seed=seed)
    operations = tuple(
        Operation(name, "conv", (), name, (Term((name,), 3 + place, 1),))
        for place, name in enumerate(chain.groups)
    )
    return Statistics(
        {
            name: Group(name, group.size, ggn_rows=group.ggn_rows)
            for name, group in chain.groups.items()
        },
        operations=operations,
    )


@pytest.mark.parametrize("stats", [CHAIN, separate()], ids=["pairs", "separate"])
def test_points_fall_and_bounds_are_below(stats: Statistics):
    front = ccsolve.pareto(stats, points=12)
    assert len(front) >= 5
    assert (np.diff(front.column("cost")) > 0).all()
    assert (np.diff(front.column("loss")) < 0).all()
    assert (front.column("bound") <= front.column("loss")).all()
    assert (front.column("price") >= 0).all()
    for point in front:
        assert point.cost == stats.cost(point.widths).macs <= point.limit


@pytest.mark.parametrize("seed", range(4))
def test_breakpoints_are_the_best_at_their_own_cost(seed: int):
    stats = separate(seed)
    for point in ccsolve.pareto(stats):
        if point.cost > 0:
            exact = ccsolve.pareto(stats, budgets=[int(point.cost)])
            assert exact.points[0].loss == pytest.approx(point.loss, abs=1e-12)


def test_prices_of_breakpoints_fall_with_the_budget():
    """The convex hull: each further unit of budget is worth less."""
    prices = ccsolve.pareto(separate()).column("price")
    assert (np.diff(prices) <= 0).all() and prices[-1] == 0


def test_points_are_those_that_plan_gives():
    front = ccsolve.pareto(CHAIN, budgets=[0.4, 0.7], losses="taylor")
    for fraction, point in zip((0.4, 0.7), front, strict=True):
        plan = ccsolve.plan(CHAIN, macs=fraction, recipe="allocated", losses="taylor")
        assert plan.widths == point.widths
        assert plan.objective == pytest.approx(point.loss)


def test_what_if_freezes_rounds_and_changes_budgets():
    front = ccsolve.pareto(CHAIN, budgets=[0.6])
    first, *_ = CHAIN.groups
    limit = 0.6 * front.dense
    free = front.what_if({"macs": limit})
    assert free.loss == pytest.approx(front.points[0].loss)
    frozen = front.what_if({"macs": limit}, fixed={first: 8})
    assert frozen.widths[first] == 8 and frozen.loss >= free.bound
    rounded = front.what_if({"macs": limit}, multiple_of=2)
    assert all(
        width % 2 == 0 or width == CHAIN.groups[name].size
        for name, width in rounded.widths.items()
    )
    both = front.what_if({"macs": limit, "params": 0.5 * CHAIN.cost().params})
    assert CHAIN.cost(both.widths).params <= 0.5 * CHAIN.cost().params


def test_parallel_fronts_are_those_in_series():
    budgets = [0.3, 0.5, 0.8]
    series = ccsolve.pareto(CHAIN, budgets=budgets)
    side_by_side = ccsolve.pareto(CHAIN, budgets=budgets, n_jobs=2)
    assert [p.widths for p in series] == [p.widths for p in side_by_side]


def test_the_point_within_an_amount():
    front = ccsolve.pareto(separate())
    middle = front.points[len(front) // 2]
    assert front.at(middle.cost) == middle
    beyond = front.at(middle.cost + 0.5)
    assert beyond is not None and beyond.cost >= middle.cost
    assert front.at(front.points[0].cost - 1) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": "time"}, "resource 'time'; expected one of macs"),
        ({"points": 1}, "points = 1; expected a whole number from 2"),
        ({"budgets": [1.5]}, "macs = 1.5; expected what may remain"),
        ({"multiple_of": 0}, "multiple_of = 0"),
        ({"budgets": 0.5}, "budgets = 0.5; expected a list"),
        ({"budgets": []}, "expected a list of what may remain"),
    ],
)
def test_malformed_options_are_refused(options, message: str):
    with pytest.raises(InvalidProblem, match=message):
        ccsolve.pareto(CHAIN, **options)


def test_recipes_without_losses_are_refused():
    with pytest.raises(Unsupported, match="recipe 'uniform' has no losses"):
        ccsolve.pareto(CHAIN, recipe="uniform")


def test_dense_is_the_whole_network_whatever_is_fixed():
    first, *_ = CHAIN.groups
    front = ccsolve.pareto(CHAIN, points=4, fixed={first: 2})
    assert front.dense == CHAIN.cost().macs
    assert front.points[-1].cost < front.dense


def test_every_budget_asked_for_has_its_point():
    budgets = [0.5, 0.5001, 0.5002]
    front = ccsolve.pareto(CHAIN, budgets=budgets)
    assert front.column("limit") == pytest.approx(
        [fraction * front.dense for fraction in budgets]
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"bogus": 3}, "limits on bogus; expected absolute amounts of some of macs"),
        ({}, "limits on nothing"),
        ({"macs": float("nan")}, "limits.* = nan; expected a finite number"),
    ],
)
def test_malformed_what_ifs_are_refused(limits, message: str):
    front = ccsolve.pareto(CHAIN, budgets=[0.5])
    with pytest.raises(InvalidProblem, match=message):
        front.what_if(limits)


def test_losses_without_an_order_are_for_ccp_alone():
    with pytest.raises(Unsupported, match="losses 'selection' have no order"):
        ccsolve.pareto(CHAIN, recipe="allocated", losses="selection")


WITH_RUNS = with_runs(CHAIN, stride=1)


@pytest.mark.parametrize("recipe", ["svd", "tucker", "tt"])
@pytest.mark.parametrize("over", ["macs", "params"])
def test_fronts_over_ranks(recipe: str, over: str):
    """Each breakpoint is what the plan at its own cost is, with a bound below."""
    front = ccsolve.pareto(WITH_RUNS, over, recipe=recipe)
    assert (np.diff(front.column("cost")) > 0).all() and len(front) > 10
    assert (np.diff(front.column("loss")) < 0).all()
    assert (np.diff(front.column("price")) <= 0).all()
    last = front.points[-1]
    assert last.loss == 0 and last.cost == front.dense and not last.factors
    assert (front.column("bound") <= front.column("loss")).all()
    for point in front.points[:: len(front) // 6]:
        plan = ccsolve.plan(WITH_RUNS, **{over: int(point.cost)}, recipe=recipe)
        assert plan.objective == pytest.approx(point.loss, rel=1e-6, abs=1e-9)
        assert plan.bound <= point.loss + plan.resolution
        assert point.bound <= plan.objective + plan.resolution
        assert plan.achieved[over] <= point.cost


def test_exact_points_over_ranks_are_those_of_plans():
    budgets = [0.5, 0.8]
    given = {"recipe": "tucker", "multiple_of": 2, "fixed": {"conv1": 0}}
    front = ccsolve.pareto(WITH_RUNS, budgets=budgets, losses="weights", **given)
    for fraction, point in zip(budgets, front, strict=True):
        plan = ccsolve.plan(WITH_RUNS, macs=fraction, metric="weights", **given)
        assert dict(point.factors) == dict(plan.factors)
        assert point.loss == plan.objective and point.bound == plan.bound
        assert point.cost == plan.achieved["macs"] <= point.limit
        assert point.price == plan.prices["macs"]


def test_options_of_fronts_over_ranks():
    spatial = ccsolve.pareto(WITH_RUNS, recipe="svd", split="spatial", losses="weights")
    assert any(f.split == "spatial" for f in spatial.points[0].factors.values())
    trains = ccsolve.pareto(WITH_RUNS, "params", recipe="tt", modes=2)
    assert any(len(f.modes) > 3 for f in trains.points[0].factors.values())
    with pytest.raises(Unsupported, match="what_if of a front of recipe 'svd'"):
        spatial.what_if({"macs": 1e6})
    for recipe, options in [
        ("tucker", {"modes": 2}),
        ("svd", {"metric": "loss"}),
        ("ccp", {"split": "spatial"}),
    ]:
        with pytest.raises(Unsupported, match="has no option"):
            ccsolve.pareto(WITH_RUNS, recipe=recipe, **options)
    with pytest.raises(InvalidProblem, match="metric 'taylor'"):
        ccsolve.pareto(WITH_RUNS, recipe="svd", losses="taylor")
    with pytest.raises(Infeasible, match="smallest ranks"):
        ccsolve.pareto(WITH_RUNS, recipe="svd", budgets=[0.001])


@pytest.mark.parametrize("stats", [CHAIN, separate()], ids=["pairs", "separate"])
@pytest.mark.parametrize("budgets", [None, [0.3, 0.45, 0.5, 0.6, 0.8]])
def test_nested_networks_are_parts_of_each_other(stats: Statistics, budgets):
    options = {"losses": "taylor", "points": 12, "budgets": budgets}
    free = {point.limit: point for point in ccsolve.pareto(stats, **options)}
    front = ccsolve.pareto(stats, nested=True, **options)
    for one, other in itertools.pairwise(front):
        assert all(one.widths[name] <= other.widths[name] for name in one.widths)
    for point in front:
        assert point.cost == stats.cost(point.widths).macs <= point.limit
        assert point.bound <= point.loss
        if point.limit in free:
            alone = free[point.limit].loss
            assert point.loss == pytest.approx(alone + point.nesting)


def test_what_nesting_costs_is_told():
    """Two groups whose products forbid that the best widths are nested."""
    seeds = (random_chain((8, 10, 6), seed=seed) for seed in range(6))
    budgets = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    prices = [
        point.nesting
        for stats in seeds
        for point in ccsolve.pareto(
            stats, losses="taylor", budgets=budgets, nested=True, multiple_of=3
        )
    ]
    assert min(prices) == 0.0
    assert max(prices) > 0.0


def test_nested_plans_keep_nested_channels():
    front = ccsolve.pareto(CHAIN, losses="taylor", budgets=[0.3, 0.6], nested=True)
    plans = [
        ccsolve.plan(
            CHAIN,
            macs=int(point.cost),
            recipe="allocated",
            losses="taylor",
            fixed=dict(point.widths),
        )
        for point in front
    ]
    for name, kept in plans[0].keep.items():
        assert set(kept) <= set(plans[1].keep[name])


@pytest.mark.parametrize(
    "options", [{"losses": "selection"}, {"recipe": "svd", "losses": "auto"}]
)
def test_what_has_no_order_is_not_nested(options):
    with pytest.raises(Unsupported, match="there is no order in which all go"):
        ccsolve.pareto(CHAIN, nested=True, **options)
