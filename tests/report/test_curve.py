"""The curve of a page: ordered, asked budgets among its points, plans above it."""

import json
import math

import numpy as np
import pytest

import ccsolve
from ccsolve import data
from ccsolve.errors import InvalidFile
from ccsolve.plans import Plan
from ccsolve.report.curve import read_curve, traced
from ccsolve.statistics import Statistics


def digits() -> Statistics:
    return Statistics.load(data.path("digits_resnet"))


def test_points_rise_in_cost_and_fall_in_loss(stats: Statistics, plan: Plan):
    curve = traced(stats, {"plan": plan}, "macs")
    costs = [point.cost for point in curve.points]
    losses = [point.loss for point in curve.points]
    assert costs == sorted(set(costs)) and losses == sorted(losses, reverse=True)
    for point in curve.points:
        assert point.bound <= point.loss + curve.resolution
        assert stats.cost(point.widths).macs == point.cost <= point.limit
        assert curve.gap(point) >= 0


def test_the_budget_of_a_plan_is_among_the_points(stats: Statistics):
    plans = {str(part): ccsolve.plan(stats, macs=part) for part in (0.31, 0.77)}
    curve = traced(stats, plans, "macs", points=3)
    for plan in plans.values():
        point = curve.points[curve.at(plan.asked["macs"])]
        assert point.limit == plan.asked["macs"] and curve.points[0].cost < point.cost


def test_few_points_span_the_whole_curve(stats: Statistics):
    whole = traced(stats, {}, "macs", points=1000)
    thin = traced(stats, {}, "macs", points=3)
    assert len(thin.points) == 3 < len(whole.points)
    assert thin.points[0] == whole.points[0] and thin.points[-1] == whole.points[-1]


def test_no_plan_of_widths_stands_below_the_front(stats: Statistics):
    recipes = {"ccp": {}, "uniform": {}, "allocated": {"losses": "taylor"}}
    plans = {
        name: ccsolve.plan(stats, macs=0.4, recipe=name, **options)
        for name, options in recipes.items()
    }
    curve = traced(stats, plans, "macs", points=1000)
    assert set(curve.places) == set(plans)
    for place in curve.places.values():
        assert place.loss >= curve.points[curve.at(place.cost)].loss - 1e-12
    # Its widths are those of the exact allocation by the same losses.
    point = curve.points[curve.at(plans["ccp"].asked["macs"])]
    assert math.isclose(curve.places["ccp"].loss, point.loss, rel_tol=1e-9)


def test_plans_of_ranks_have_a_front_of_ranks():
    stats = digits()
    plan = ccsolve.plan(stats, macs=0.5, recipe="svd")
    curve = traced(stats, {"svd": plan}, "macs", points=10)
    point = curve.points[curve.at(plan.asked["macs"])]
    assert curve.recipe == "svd" and dict(point.factors) == dict(plan.factors)
    assert math.isclose(curve.places["svd"].loss, point.loss, rel_tol=1e-9)
    mixed = {"svd": plan, "ccp": ccsolve.plan(stats, macs=0.5)}
    assert traced(stats, mixed, "macs", points=5).recipe == "ccp"


def test_losses_are_those_that_the_plans_were_made_by(stats: Statistics):
    plan = ccsolve.plan(stats, macs=0.5, widths="selection")
    by_plan = traced(stats, {"plan": plan}, "macs", points=1000)
    named = traced(stats, {}, "macs", losses="selection", points=1000)
    known = {point.cost: point.loss for point in by_plan.points}
    assert all(math.isclose(known[p.cost], p.loss) for p in named.points)


def test_the_front_of_a_file_is_read(stats: Statistics):
    front = ccsolve.pareto(stats)
    points = [
        {**point._asdict(), "widths": dict(point.widths), "factors": {}}
        for point in front
    ]
    points[0]["bound"] = None
    document = {"over": "macs", "recipe": "ccp", "dense": front.dense, "points": points}
    curve = read_curve(json.loads(json.dumps(document)), "front.json")
    assert [point.loss for point in curve.points] == list(front.column("loss"))
    assert curve.gap(curve.points[0]) == math.inf and curve.loose
    assert dict(curve.points[1].widths) == dict(front.points[1].widths)


@pytest.mark.parametrize(
    "change",
    [
        {"points": []},
        {"points": [{"loss": 1.0}]},
        {"points": [3]},
        {"points": None},
        {"dense": 0},
        {"dense": "much"},
        {"dense": np.nan},
    ],
)
def test_bad_fronts_are_refused(change: dict[str, object]):
    document = {"over": "macs", "dense": 10.0, "points": [], **change}
    with pytest.raises(InvalidFile, match=r"front\.json"):
        read_curve(document, "front.json")


def test_the_points_keep_the_rules_of_all_plans(stats: Statistics):
    rules = {"multiple_of": 2, "fixed": {"first": 4}}
    plans = {str(part): ccsolve.plan(stats, macs=part, **rules) for part in (0.5, 0.7)}
    curve = traced(stats, plans, "macs", points=1000)
    assert dict(curve.rules) == rules
    assert {point.widths["first"] for point in curve.points} == {4}
    assert {point.widths["second"] % 2 for point in curve.points} == {0}
    free = {**plans, "free": ccsolve.plan(stats, macs=0.5)}
    assert not traced(stats, free, "macs").rules


def test_ranks_keep_their_rules_too():
    stats = digits()
    rules = {"multiple_of": 2, "fixed": {"layer3.1.conv2": 4}}
    plan = ccsolve.plan(stats, macs=0.5, recipe="svd", **rules)
    curve = traced(stats, {"svd": plan}, "macs", points=10)
    assert dict(curve.rules) == rules
    for point in curve.points:
        assert all(factor.ranks[0] % 2 == 0 for factor in point.factors.values())
        assert point.factors["layer3.1.conv2"].ranks == (4,)
