"""The recipe "network": one program over all groups, and the plan of its point."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import NetworkSelection, testing
from ccsolve.errors import Infeasible, InvalidProblem, MissingStatistics
from ccsolve.problems.generate_network import FAMILIES
from ccsolve.problems.network_points import _wider, filled, random_point
from ccsolve.recipes.steps import admissible_steps, fits
from ccsolve.statistics import Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((5, 6, 5))


def loss(stats: Statistics, plan: ccsolve.Plan, **model: Any) -> float:
    """Give the predicted loss of a plan, from the matrices alone."""
    u = np.concatenate([~plan.mask(name) for name in plan.keep]).astype(float)
    H = np.zeros((len(u), len(u)))
    first = 0
    for group in stats.groups.values():
        own = slice(first, first + group.size)
        H[own, own] = group.hessian("ggn", **model)
        first += group.size
    return float(0.5 * u @ H @ u)


@pytest.mark.parametrize("budget", [{"macs": 0.5}, {"macs": 0.6, "params": 0.5}])
def test_plans_are_optimal_and_no_step_can_come_back(budget: dict[str, float]):
    plan = ccsolve.plan(STATS, recipe="network", **budget)
    assert plan.objective == pytest.approx(loss(STATS, plan))
    problem = NetworkSelection.from_statistics(STATS, **budget, first_order=0.0)
    optimum = testing.brute_force(problem)[1]
    assert plan.bound <= optimum + plan.resolution
    assert plan.objective >= optimum - plan.resolution
    for name, steps in admissible_steps(STATS).items():
        for width in [w for w in steps if w > plan.widths[name]][:1]:
            assert not fits(STATS, plan.asked, {**plan.widths, name: width})
    assert plan.provenance["solver"]["method"] == "enumerate_all"
    bounded = ccsolve.plan(STATS, recipe="network", method="search_and_bound", **budget)
    assert set(bounded.prices) == set(budget)
    assert min(bounded.prices.values()) >= 0.0
    assert bounded.bound <= optimum <= bounded.objective + bounded.resolution


def test_no_other_recipe_s_network_loses_less():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="network")
    for recipe in ("ccp", "allocated", "uniform", "l1", "taylor"):
        other = ccsolve.plan(STATS, macs=0.5, recipe=recipe)
        assert loss(STATS, other) >= plan.bound - plan.resolution


def test_the_model_of_the_loss_is_the_one_asked_for():
    shrunk = ccsolve.plan(STATS, macs=0.5, recipe="network", shrinkage=0.7)
    assert shrunk.objective == pytest.approx(loss(STATS, shrunk, shrinkage=0.7))
    assert set(shrunk.provenance["intensity"].values()) == {0.7}
    auto = ccsolve.plan(STATS, macs=0.5, recipe="network", shrinkage="auto")
    for name, pull in auto.provenance["intensity"].items():
        assert pull == STATS.groups[name].intensity("ggn", "auto")
    across = ccsolve.plan(STATS, macs=0.5, recipe="network", cross=True)
    problem = NetworkSelection.from_statistics(
        STATS, macs=0.5, cross=True, first_order=0.0
    )
    z = np.concatenate([across.mask(name) for name in across.keep])
    assert across.objective == pytest.approx(problem.objective(z))


def test_widths_keep_their_rules():
    first, second, _ = STATS.groups
    rules: dict[str, Any] = {"multiple_of": 2, "fixed": {first: 3, second: 6}}
    for method in ("auto", "search_and_bound"):
        plan = ccsolve.plan(
            STATS, macs=0.6, recipe="network", method=method, min_keep=2, **rules
        )
        _check_rules(plan)
    gone = ccsolve.plan(
        STATS, macs=0.3, recipe="network", min_keep={second: 0}, fixed={second: 0}
    )
    assert gone.widths[second] == 0


def _check_rules(plan: ccsolve.Plan) -> None:
    first, second, third = plan.widths.values()
    assert (first, second) == (3, 6)
    assert third in (2, 4, 5)
    assert set(plan.prices) <= {"macs"}


def test_given_widths_of_many_groups_leave_the_channels_to_prove():
    stats = random_chain((6, 5, 7, 6, 5, 6))
    fixed = dict(zip(stats.groups, (2, 3, 3, 2, 4, 1), strict=True))
    plan = ccsolve.plan(stats, macs=0.95, recipe="network", fixed=fixed)
    other = ccsolve.plan(stats, macs=0.95, recipe="ccp", widths=fixed)
    assert plan.widths == other.widths == fixed
    assert plan.gap <= 1e-6
    assert plan.objective == pytest.approx(other.objective)


def test_what_fits_comes_back_even_where_the_model_gains_without_it():
    gains = ccsolve.plan(STATS, macs=1.0, recipe="network", first_order=5.0)
    assert gains.widths == {name: group.size for name, group in STATS.groups.items()}
    problem = NetworkSelection.from_statistics(STATS, macs=1.0, first_order=5.0)
    assert testing.brute_force(problem)[1] < gains.objective


def test_large_groups_without_a_width_between_are_planned():
    stats = random_chain((24, 30, 5))
    first = next(iter(stats.groups))
    rules: dict[str, Any] = {"recipe": "network", "time_limit": 3.0}
    plan = ccsolve.plan(stats, macs=0.9, min_keep={first: 24}, **rules)
    assert plan.bound <= plan.objective
    assert plan.widths[first] == 24
    whole = ccsolve.plan(stats, macs=1.0, multiple_of=30, **rules)
    assert whole.widths == whole.sizes


def test_a_dead_group_goes_first():
    stats = random_chain((24, 8, 5))
    first = next(iter(stats.groups))
    own = stats.groups[first]
    dead = replace(own, ggn_rows=np.zeros_like(own.ggn_rows))
    stats = replace(stats, groups={**stats.groups, first: dead})
    plan = ccsolve.plan(stats, macs=0.5, recipe="network", time_limit=5.0)
    assert plan.widths[first] < own.size
    assert plan.bound <= plan.objective < np.inf


def test_plans_are_kept_and_read_again(tmp_path: Any):
    least = {next(iter(STATS.groups)): 2}
    plan = ccsolve.plan(STATS, macs=0.5, recipe="network", min_keep=least)
    assert plan.provenance["min_keep"] == least
    plan.save(tmp_path / "plan.json")
    assert ccsolve.Plan.load(tmp_path / "plan.json").provenance == plan.provenance


def test_what_cannot_be_is_refused():
    def plan(**options: Any) -> ccsolve.Plan:
        return ccsolve.plan(STATS, recipe="network", **{"macs": 0.5, **options})

    name = next(iter(STATS.groups))
    with pytest.raises(InvalidProblem, match="fixed names the group 'other'"):
        plan(fixed={"other": 2})
    with pytest.raises(InvalidProblem, match=rf"fixed\['{name}'\]"):
        plan(fixed={name: 99})
    with pytest.raises(InvalidProblem, match="min_keep names the group 'other'"):
        plan(min_keep={"other": 2})
    with pytest.raises(InvalidProblem, match="fixed = 3; expected widths by name"):
        plan(fixed=3)
    with pytest.raises(InvalidProblem, match=rf"min_keep\['{name}'\] = 2.5"):
        plan(min_keep={name: 2.5})
    with pytest.raises(InvalidProblem, match="cross = 'yes'; expected True or False"):
        plan(cross="yes")
    assert plan(min_keep=np.int64(2)).provenance["min_keep"] == 2
    assert plan(method="greedy").provenance["bound"] == "none"
    with pytest.raises(InvalidProblem, match="time_limit"):
        plan(time_limit=-1.0)
    with pytest.raises(Infeasible):
        plan(macs=0.01, min_keep=5)
    bare = Statistics(
        {n: type(g)(n, g.size) for n, g in STATS.groups.items()},
        operations=STATS.operations,
    )
    with pytest.raises(MissingStatistics, match="ggn"):
        ccsolve.plan(bare, macs=0.5, recipe="network")


@pytest.mark.parametrize("family", FAMILIES)
def test_filled_points_have_no_room_left(family: str):
    problem = FAMILIES[family](0)
    z = random_point(problem, np.random.default_rng(1))
    steps = list(_wider(problem, z))
    for rise, back in steps:
        more = z.copy()
        more[back] = True
        assert problem.objective(more) - problem.objective(z) == pytest.approx(rise)
    full = filled(problem, z)
    assert problem.violation(full) <= 0
    assert (full >= z).all()
    free = np.full(problem.n, -1) if problem.fixed is None else problem.fixed
    k = problem.widths_of(full)
    for g, own in enumerate(problem.members):
        left = int(((free[own] == -1) & ~full[own]).sum())
        for width in [w for w in problem.widths[g] if k[g] < w <= k[g] + left][:1]:
            wider = k.copy()
            wider[g] = width
            assert not problem.fits(wider)
