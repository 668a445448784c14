"""Fronts of the joint recipe: what `plan` gives, falling, with ranks; refusals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import Infeasible, InvalidProblem, Unsupported
from ccsolve.report.curve import traced
from ccsolve.statistics import Bytes, Memory
from tests.recipes.rank_networks import WIDE, latency_stats

RULES = {"levels": 4, "leave_out": ()}


def test_points_are_those_that_plan_gives():
    front = ccsolve.pareto(WIDE, recipe="joint", budgets=[0.6, 0.3], **RULES)
    assert [point.limit for point in front] == sorted(point.limit for point in front)
    for point, part in zip(front, (0.3, 0.6), strict=True):
        plan = ccsolve.plan(WIDE, macs=part, recipe="joint", **RULES)
        assert point.loss == pytest.approx(plan.objective, rel=1e-12)
        assert point.cost == plan.achieved["macs"] <= point.limit == plan.asked["macs"]
        assert point.widths == plan.widths and point.factors == plan.factors
        assert point.price == pytest.approx(plan.prices["macs"])


def test_points_fall_from_the_narrowest_network_to_the_dense_one():
    front = ccsolve.pareto(WIDE, "params", recipe="joint", points=8, **RULES)
    assert len(front) >= 5 and front.recipe == "joint"
    assert (np.diff(front.column("cost")) > 0).all()
    assert (np.diff(front.column("loss")) < 0).all()
    assert (front.column("bound") <= front.column("loss")).all()
    assert front.points[-1].loss == 0 and not front.points[-1].factors
    assert front.points[-1].cost == front.dense == WIDE.cost().params
    assert any(point.factors for point in front)


def test_no_budget_does_worse_than_a_smaller_one():
    budgets = np.linspace(0.2, 0.99, 12).tolist()
    front = ccsolve.pareto(WIDE, recipe="joint", budgets=budgets, **RULES)
    assert len(front) == len(budgets)
    assert (np.diff(front.column("loss")) <= 0).all()
    assert (front.column("cost") <= front.column("limit")).all()


def test_in_parallel_as_in_series():
    given = {"recipe": "joint", "budgets": [0.3, 0.5], **RULES}
    one, two = (ccsolve.pareto(WIDE, n_jobs=n, **given) for n in (1, 2))
    assert one.points == two.points


def test_plans_stand_on_a_curve_of_their_own_recipe():
    plans = {
        part: ccsolve.plan(WIDE, macs=float(part), recipe="joint", **RULES)
        for part in ("0.4", "0.7")
    }
    curve = traced(WIDE, plans, "macs", points=4)
    assert curve.recipe == "joint" and set(curve.places) == set(plans)
    for part, plan in plans.items():
        point = curve.points[curve.at(plan.asked["macs"])]
        assert curve.places[part].loss == plan.objective == pytest.approx(point.loss)
        assert point.widths == plan.widths and point.factors == plan.factors


def test_rules_of_the_plans_hold_for_the_curve():
    rules = {**RULES, "multiple_of": 4, "rank_multiple": 2}
    plan = ccsolve.plan(WIDE, macs=0.5, recipe="joint", **rules)
    for point in traced(WIDE, {"plan": plan}, "macs", points=4).points:
        assert all(width % 4 == 0 for width in point.widths.values())
        for name, factor in point.factors.items():
            whole = {*WIDE.layers[name].weight.shape, *point.widths.values()}
            assert all(int(rank) % 2 == 0 or rank in whole for rank in factor.ranks)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"over": "latency"}, Unsupported, "latency"),
        ({"losses": "taylor"}, Unsupported, "losses 'taylor'"),
        ({"nested": True}, Unsupported, "nested"),
        ({"times": {}}, Unsupported, "no option 'times'"),
        ({"levels": 1}, InvalidProblem, "levels"),
        ({"budgets": [10]}, Infeasible, "narrowest"),
    ],
)
def test_what_it_cannot_take_is_refused(given, kind, said):
    with pytest.raises(kind, match=said):
        ccsolve.pareto(latency_stats(), recipe="joint", **given)


@pytest.mark.parametrize("given", [{"losses": "taylor"}, {"over": "memory"}])
def test_other_curves_are_over_widths_alone(given):
    groups = tuple(WIDE.groups)
    held = Memory((Bytes(groups[:1], 4),), ((Bytes(groups[:2], 2),),))
    stats = replace(WIDE, memory=held)
    plans = {"plan": ccsolve.plan(stats, macs=0.5, recipe="joint", **RULES)}
    asked: dict[str, Any] = {"over": "macs", "points": 4, **given}
    curve = traced(stats, plans, **asked)
    assert curve.recipe == "ccp" and not curve.places and len(curve.points) > 1


def test_options_that_plans_differ_in_are_not_the_curves():
    plans = {
        str(levels): ccsolve.plan(
            WIDE, macs=0.5, recipe="joint", levels=levels, leave_out=()
        )
        for levels in (3, 6)
    }
    curve = traced(WIDE, plans, "macs", points=3)
    front = ccsolve.pareto(WIDE, recipe="joint", budgets=[0.5], leave_out=())
    point = curve.points[curve.at(plans["3"].asked["macs"])]
    assert point.loss == pytest.approx(front.points[0].loss)


@pytest.mark.parametrize("budget", [0.5, 1.0])
def test_other_budgets_are_not_asked_of_its_losses(budget: float):
    front = ccsolve.pareto(WIDE, recipe="joint", budgets=[budget], **RULES)
    with pytest.raises(Unsupported, match="not of widths alone"):
        front.what_if({"macs": 0.4 * front.dense})
