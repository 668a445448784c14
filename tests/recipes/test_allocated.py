"""The recipes on allocated widths: curves, choices, bounds, what they refuse."""

import math
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import refit_removal, taylor_removal
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.recipes.allocation import RULES
from ccsolve.recipes.ladders import ladders, loss_at
from ccsolve.recipes.removals import losses_by
from ccsolve.recipes.steps import admissible_steps
from ccsolve.statistics.generate import random_chain

STATS = random_chain((16, 24, 9, 32))
SIZES = {name: group.size for name, group in STATS.groups.items()}


@pytest.mark.parametrize("losses", ["refit", "taylor"])
def test_the_recipe_keeps_what_goes_last(losses: str):
    plan = ccsolve.plan(STATS, macs=0.5, recipe="allocated", losses=losses)
    remove = {"refit": refit_removal, "taylor": taylor_removal}[losses]
    removals = {name: remove(STATS, name) for name in SIZES}
    for name, kept in plan.keep.items():
        assert (kept == removals[name].kept(len(kept))).all()
    curves = {name: removal.loss for name, removal in removals.items()}
    rungs = ladders(admissible_steps(STATS), curves)
    assert plan.objective == pytest.approx(loss_at(rungs, plan.widths))
    assert plan.provenance["losses"] == losses


def test_the_model_of_taylor_losses_is_an_option():
    model: dict[str, Any] = {"shrinkage": 1.0, "damping": 0.1, "first_order": 0.5}
    plan = ccsolve.plan(STATS, macs=0.5, recipe="allocated", losses="taylor", **model)
    for name, kept in plan.keep.items():
        removal = taylor_removal(STATS, name, **model)
        assert (kept == removal.kept(len(kept))).all()
    assert plan.provenance["shrinkage"] == 1.0
    curves = losses_by(STATS, "taylor", model=model)
    assert (curves["conv1"] == taylor_removal(STATS, "conv1", **model).loss).all()


def test_other_losses_have_no_such_model():
    with pytest.raises(Unsupported, match="shrinkage = 'auto' with losses 'refit'"):
        ccsolve.plan(STATS, macs=0.5, recipe="allocated", shrinkage="auto")


def test_the_default_is_exact_with_bound_and_prices():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="allocated")
    assert plan.provenance["allocation"] == "exact"
    assert plan.gap <= 1e-6
    assert list(plan.prices) == ["macs"] and plan.prices["macs"] > 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fraction", [0.3, 0.6])
def test_no_rule_beats_the_program(rule: str, fraction: float):
    best = ccsolve.plan(STATS, macs=fraction, recipe="allocated")
    other = ccsolve.plan(STATS, macs=fraction, recipe="allocated", allocation=rule)
    assert other.achieved["macs"] <= fraction * other.original["macs"]
    assert other.objective >= best.bound - best.resolution
    assert other.bound == -math.inf and not other.prices


def test_a_criterion_may_choose_at_allocated_widths():
    own = ccsolve.plan(STATS, macs=0.5, recipe="allocated")
    plan = ccsolve.plan(STATS, macs=0.5, recipe="allocated", criterion="l1")
    assert plan.widths == own.widths and np.isnan(plan.objective)
    uniform = ccsolve.plan(STATS, macs=1.0, recipe="uniform")
    assert plan.sizes == uniform.sizes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": "none"}, "losses 'none'; expected one of auto, refit, taylor"),
        ({"allocation": "x"}, "allocation 'x'; expected one of exact, marginal"),
    ],
)
def test_unknown_names_are_refused_with_the_known(options, message: str):
    with pytest.raises(Unsupported, match=message):
        ccsolve.plan(STATS, macs=0.5, recipe="allocated", **options)


def test_the_smooth_program_has_one_budget():
    with pytest.raises(Unsupported, match="'smooth' with budgets on macs, params"):
        ccsolve.plan(
            STATS, macs=0.5, params=0.5, recipe="allocated", allocation="smooth"
        )


def test_programs_at_allocated_widths_lose_no_more_than_the_greedy_order():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="ccp", widths="taylor")
    greedy = ccsolve.plan(STATS, macs=0.5, recipe="allocated", losses="taylor")
    assert plan.widths == greedy.widths
    assert plan.objective <= greedy.objective + 1e-9
    assert plan.provenance["widths"] == "taylor"
    with pytest.raises(Unsupported, match=r"widths .wide.; .*taylor, units"):
        ccsolve.plan(STATS, macs=0.5, recipe="ccp", widths="wide")


def test_ccp_takes_the_losses_that_its_statistics_allow():
    given: dict[str, Any] = {"macs": 0.5, "recipe": "ccp"}
    assert ccsolve.plan(STATS, **given).widths == (
        ccsolve.plan(STATS, **given, widths="refit").widths
    )
    bare = ccsolve.Statistics(STATS.groups, operations=STATS.operations)
    assert ccsolve.plan(bare, **given, first_order=0.0).widths == (
        ccsolve.plan(bare, **given, widths="taylor").widths
    )


def test_the_programs_own_values_may_share_the_budget():
    losses = losses_by(STATS, "selection")
    plan = ccsolve.plan(STATS, macs=0.5, recipe="ccp", widths="selection")
    rungs = ladders(admissible_steps(STATS), losses)
    assert plan.provenance["allocation"]["loss"] == pytest.approx(
        loss_at(rungs, plan.widths)
    )


@pytest.mark.parametrize("recipe", ["allocated", "ccp", "uniform"])
def test_fixed_groups_keep_their_width(recipe: str):
    first, *_, last = SIZES
    fixed = {first: SIZES[first], last: 5}
    plan = ccsolve.plan(STATS, macs=0.6, recipe=recipe, fixed=fixed)
    assert plan.widths[first] == SIZES[first] and plan.widths[last] == 5
    assert plan.achieved["macs"] <= 0.6 * plan.original["macs"]
    with pytest.raises(InvalidProblem, match="fixed names the group 'none'"):
        ccsolve.plan(STATS, macs=0.6, recipe=recipe, fixed={"none": 1})
    with pytest.raises(InvalidProblem, match=r"fixed.* = 99; expected a whole number"):
        ccsolve.plan(STATS, macs=0.6, recipe=recipe, fixed={first: 99})
