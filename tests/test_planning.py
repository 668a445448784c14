"""Budgets as promises: what is accepted, refused, asked and achieved."""

from dataclasses import replace

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import (
    Infeasible,
    InvalidProblem,
    MissingStatistics,
    Unsupported,
)
from ccsolve.statistics import Group, LatencyTable, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))


@pytest.mark.parametrize("macs", [0.3, 0.5, 1.0, np.float32(0.5), 30_000, np.int64(9)])
@pytest.mark.parametrize("params", [None, 0.6, 700])
def test_plans_keep_their_budgets(macs: float, params: float | None):
    dense = STATS.cost()
    try:
        plan = ccsolve.plan(STATS, macs=macs, params=params, recipe="uniform")
    except Infeasible:
        assert macs == 9
        return
    whole = isinstance(macs, int | np.integer)
    assert plan.asked["macs"] == (macs if whole else float(macs) * dense.macs)
    assert plan.given["macs"] == macs
    assert set(plan.asked) == ({"macs"} if params is None else {"macs", "params"})
    assert all(plan.achieved[name] <= plan.asked[name] for name in plan.asked)
    assert plan.original == {"macs": dense.macs, "params": dense.params}
    cost = STATS.cost(plan.widths)
    assert plan.achieved == {"macs": cost.macs, "params": cost.params}
    assert plan.fingerprint == STATS.fingerprint
    assert plan.provenance["samples"] == STATS.samples


@pytest.mark.parametrize(
    "budget",
    [True, False, float("nan"), float("inf"), 0, 0.0, 1.5, -0.5, -3, "half", [0.5]],
)
@pytest.mark.parametrize("name", ["macs", "params"])
def test_other_budgets_are_refused(name: str, budget: object):
    with pytest.raises(InvalidProblem, match=rf"{name} = .*what may remain"):
        ccsolve.plan(STATS, **{name: budget})  # pyright: ignore[reportArgumentType]


def test_no_budget_is_refused():
    with pytest.raises(
        InvalidProblem, match="give one of macs, params, latency, memory"
    ):
        ccsolve.plan(STATS)


def test_infeasible_budgets_name_the_cheapest():
    cheapest = STATS.cost(dict.fromkeys(STATS.groups, 1)).macs
    with pytest.raises(Infeasible, match=f"budget macs = 1,.* takes {cheapest};"):
        ccsolve.plan(STATS, macs=1, recipe="uniform")
    plan = ccsolve.plan(STATS, macs=int(cheapest), recipe="uniform")
    assert set(plan.widths.values()) == {1}


def test_unknown_recipes_and_options_list_the_known():
    with pytest.raises(
        Unsupported, match=r"expected one of .*allocated, .*ccp, .*uniform"
    ):
        ccsolve.plan(STATS, macs=0.5, recipe="nothing")
    with pytest.raises(
        Unsupported, match="no option 'damping'; its options: criterion"
    ):
        ccsolve.plan(STATS, macs=0.5, recipe="uniform", damping=1.0)
    with pytest.raises(Unsupported, match="no option 'energy'"):
        ccsolve.plan(STATS, macs=0.5, energy=100)


def test_options_reach_the_recipe():
    plan = ccsolve.plan(STATS, macs=0.6, recipe="uniform", multiple_of=2, min_keep=3)
    assert all(width % 2 == 0 or width == 5 for width in plan.widths.values())
    assert min(plan.widths.values()) >= 3


def test_missing_parts_are_named():
    bare = Statistics(
        {name: Group(name, group.size) for name, group in STATS.groups.items()},
        operations=STATS.operations,
    )
    with pytest.raises(MissingStatistics, match="ggn"):
        ccsolve.plan(bare, macs=0.5, recipe="ccp")
    with pytest.raises(MissingStatistics, match="weight"):
        ccsolve.plan(bare, macs=0.5, recipe="uniform")
    assert ccsolve.plan(bare, macs=0.5, recipe="uniform", criterion="random").keep


@pytest.mark.parametrize(
    ("given", "recipe"),
    [
        ({"macs": 0.5}, "joint"),
        ({"macs": 0.6, "params": 0.5, "multiple_of": 2, "seed": 3}, "joint"),
        ({"macs": 0.5, "levels": 4}, "joint"),
        ({"macs": 0.5, "allocation": "smooth"}, "allocated"),
        ({"macs": 0.6, "latency": 1.0, "multiple_of": 2}, "allocated"),
        ({"macs": 0.6, "latency": 1.0, "curvature": "ggn"}, "ccp"),
        ({"macs": 0.5, "widths": "uniform"}, "ccp"),
        ({"macs": 0.5, "curvature": "ggn"}, "ccp"),
    ],
    ids=str,
)
def test_the_default_is_the_best_that_takes_what_is_asked(given, recipe):
    stats = STATS.with_latency([LatencyTable("whole", np.array([[300.0]]))])
    plan = ccsolve.plan(stats, **given)
    assert plan.recipe == recipe
    named = ccsolve.plan(stats, recipe=recipe, **given)
    assert plan.widths == named.widths and plan.factors == named.factors


def test_the_default_needs_moments_of_all_layers_that_read_a_group():
    first, *others = STATS.layers
    bare = dict(STATS.layers)
    inner = others[0]
    bare[inner] = replace(bare[inner], input_moment=None, input_mean=None)
    for layers in ({}, bare):
        plan = ccsolve.plan(replace(STATS, layers=layers), macs=0.5)
        assert plan.recipe == "ccp"
    bare = {**STATS.layers, first: replace(STATS.layers[first], input_moment=None)}
    assert ccsolve.plan(replace(STATS, layers=bare), macs=0.5).recipe == "joint"


def test_an_option_of_no_recipe_is_refused_by_default_too():
    with pytest.raises(
        Unsupported, match=r"'auto', which is 'ccp' .* no option 'colour'"
    ):
        ccsolve.plan(STATS, macs=0.5, colour="red")
