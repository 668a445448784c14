"""Criteria as recipes: budgets met at uniform, global and allocated rates."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import criteria
from ccsolve.errors import Infeasible, InvalidProblem, Unsupported
from ccsolve.planning import RECIPES
from ccsolve.recipes.ranked import PAPERS, RATES
from ccsolve.recipes.threshold import threshold_widths
from ccsolve.statistics import Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain


def with_scores(stats: Statistics) -> Statistics:
    """Give statistics with all exported scores that there may be."""
    rng = np.random.default_rng(0)
    groups = {
        name: replace(group, scores={key: rng.random(group.size) for key in EXPORTED})
        for name, group in stats.groups.items()
    }
    return replace(stats, groups=groups)


EXPORTED = tuple(criteria.EXPORTED)
STATS = with_scores(random_chain((6, 8, 5)))


def sized(scores: dict[str, list[float]], cost: int = 1) -> Statistics:
    """Give groups of these scores, whose channels cost alike."""
    groups = {
        name: Group(name, len(values), scores={"s": values})
        for name, values in scores.items()
    }
    operations = tuple(
        Operation(name, "conv", (), name, (Term((name,), cost, cost),))
        for name in groups
    )
    return Statistics(groups, operations=operations)


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("name", PAPERS)
def test_every_criterion_is_a_recipe_at_all_rates(name: str, rates: str):
    plan = ccsolve.plan(STATS, macs=0.5, params=0.7, recipe=name, rates=rates)
    assert plan.recipe == name and plan.provenance["rates"] == rates
    assert all(plan.achieved[key] <= plan.asked[key] for key in ("macs", "params"))
    for group, kept in plan.keep.items():
        scores = criteria.score(STATS, group, name)
        removed = np.delete(scores, kept)
        assert removed.size == 0 or scores[kept].min() >= removed.max()
        wider = {**plan.widths, group: min(len(kept) + 1, plan.sizes[group])}
        cost = STATS.cost(wider)
        fits = all(cost.of(key) <= plan.asked[key] for key in plan.asked)
        assert len(kept) == plan.sizes[group] or not fits
    assert np.isnan(plan.objective) and plan.bound == -np.inf


@pytest.mark.parametrize("name", ["l1", "lamp", "taylor", "random"])
def test_defaults_are_the_authors(name: str):
    plain = ccsolve.plan(STATS, macs=0.5, recipe=name)
    said = ccsolve.plan(STATS, macs=0.5, recipe=name, rates=PAPERS[name].rates)
    assert plain.provenance == said.provenance
    assert plain.widths == said.widths


def test_one_threshold_keeps_the_best_of_all():
    stats = sized({"a": [9.0, 1.0, 5.0], "b": [2.0, 3.0], "c": [7.0, 8.0, 6.0, 4.0]})
    scores = {name: group.scores["s"] for name, group in stats.groups.items()}
    for most in range(3, 10):
        widths = threshold_widths(stats, {"macs": float(most)}, scores)
        every = np.sort(np.concatenate(list(scores.values())))[::-1]
        # Each keeps one class at least: b's best of 3 may stand below the threshold.
        threshold = every[most - 1] if every[most - 1] <= 3 else every[most - 2]
        expected = {
            name: max(1, int((values >= threshold).sum()))
            for name, values in scores.items()
        }
        assert widths == expected and sum(widths.values()) == most


def test_widths_are_multiples_and_held_ones_stay():
    def made(**options: Any) -> ccsolve.Plan:
        return ccsolve.plan(STATS, macs=0.6, recipe="l2", rates="global", **options)

    even = made(multiple_of=2)
    assert all(k % 2 == 0 or k == even.sizes[name] for name, k in even.widths.items())
    assert min(made(min_keep=3).widths.values()) >= 3
    assert made(fixed={"conv2": 3}).widths["conv2"] == 3


def test_ties_are_cut_to_the_budget():
    stats = sized({"a": [1.0] * 5, "b": [1.0] * 5})
    widths = threshold_widths(stats, {"macs": 7.0}, {"a": np.ones(5), "b": np.ones(5)})
    assert sum(widths.values()) == 7


def test_norms_make_groups_compare():
    stats = sized({"small": [0.3, 0.1, 0.2], "large": [300.0, 100.0, 200.0]})
    groups = {
        name: replace(group, scores={"ablation": group.scores["s"]})
        for name, group in stats.groups.items()
    }
    stats = replace(stats, groups=groups)
    options: dict[str, Any] = {"recipe": "ablation", "rates": "global"}
    plain = ccsolve.plan(stats, macs=4, normalise="none", **options)
    level = ccsolve.plan(stats, macs=4, normalise="norm", **options)
    assert plain.widths == {"small": 1, "large": 3}
    assert level.widths == {"small": 2, "large": 2}


def test_own_losses_are_sums_of_scores():
    """With additive losses and alike costs the program keeps the largest of all."""
    stats = sized({"a": [9.0, 1.0, 5.0], "b": [2.0, 3.0], "c": [7.0, 8.0, 6.0, 4.0]})
    groups = {
        name: replace(group, scores={"ablation": group.scores["s"]})
        for name, group in stats.groups.items()
    }
    options: dict[str, Any] = {"recipe": "ablation", "rates": "allocated"}
    plan = ccsolve.plan(replace(stats, groups=groups), macs=6, losses="own", **options)
    assert plan.widths == {"a": 2, "b": 1, "c": 3}
    assert plan.provenance["allocation"]["loss"] == pytest.approx(1 + 2 + 4)
    assert plan.provenance["allocation"]["bound"] <= 7 + 1e-9
    assert set(plan.prices) == {"macs"}


def test_bad_rates_are_refused():
    with pytest.raises(Unsupported, match="rates 'odd'; expected one of uniform, glo"):
        ccsolve.plan(STATS, macs=0.5, recipe="l1", rates="odd")
    with pytest.raises(Unsupported, match="normalise 'odd'; expected one of none"):
        ccsolve.plan(STATS, macs=0.5, recipe="l1", rates="global", normalise="odd")
    with pytest.raises(Infeasible, match="narrowest network"):
        ccsolve.plan(STATS, macs=1, recipe="l1", rates="global")
    with pytest.raises(Unsupported, match="recipe 'l1' has no option 'criterion'"):
        ccsolve.plan(STATS, macs=0.5, recipe="l1", criterion="l2")
    with pytest.raises(Unsupported, match="losses 'odd'"):
        ccsolve.plan(STATS, macs=0.5, recipe="l1", rates="allocated", losses="odd")
    with pytest.raises(InvalidProblem, match="seed = -1; expected a whole number"):
        ccsolve.plan(STATS, macs=0.5, recipe="random", seed=-1)


@pytest.mark.parametrize(
    ("unused", "needed"),
    [
        ({"losses": "own"}, "allocated"),
        ({"allocation": "marginal"}, "allocated"),
        ({"normalise": "norm"}, "global"),
    ],
)
def test_what_the_rates_do_not_look_at_is_refused(unused: dict[str, Any], needed: str):
    with pytest.raises(Unsupported, match=f"leave it out, or give rates='{needed}'"):
        ccsolve.plan(STATS, macs=0.5, recipe="l1", rates="uniform", **unused)


def test_the_table_names_every_criterion_once():
    assert set(PAPERS) == {*criteria.CRITERIA, "random", *criteria.EXPORTED}
    assert set(PAPERS) <= set(RECIPES)
