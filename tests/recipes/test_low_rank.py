"""Plans of ranks: exact against enumeration, within budgets, saved and loaded."""

import functools
import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import Infeasible, InvalidProblem, MissingStatistics, Unsupported
from ccsolve.factors import Factor
from ccsolve.plans import Plan
from ccsolve.recipes.chains import chainables
from ccsolve.sensitivity import low_rank_losses, spatial_losses, two_sided_losses
from ccsolve.statistics import Layer, Statistics
from ccsolve.statistics.generate import random_chain
from tests.recipes.rank_networks import CHAIN, SMALL, WIDE, latency_stats

RECIPES = ("svd", "tucker", "tt")


@functools.cache
def table_of(layer: Layer, format: str, split: str, metric: str):
    """Give what the layer loses by ranks kept."""
    if split == "spatial":
        table = spatial_losses(layer)[::-1]
    elif format == "svd":
        fit = "inputs" if metric != "weights" else None
        table = low_rank_losses(layer, metric=metric, fit=fit)[::-1]
    else:
        table = two_sided_losses(layer, metric=metric).loss
    return table if metric == "loss" else table / table.flat[0]


def loss_at(stats: Statistics, name: str, factor: Factor | None, metric: str) -> float:
    if factor is None:
        return 0.0
    table = table_of(stats.layers[name], factor.format, factor.split, metric)
    return float(table[factor.ranks])


def every(stats: Statistics, name: str, recipe: str) -> list[Factor | None]:
    chain = chainables(stats)[name]
    n, c, *kernel = chain.shape
    size = math.prod(kernel)
    found: list[Factor | None] = [None]
    if recipe == "svd" or size == 1:
        return found + [Factor("svd", r + 1) for r in range(min(n, c * size))]
    pairs = itertools.product(range(1, n + 1), range(1, c + 1))
    return found + [
        Factor(recipe, pair) for pair in pairs if max(pair) <= size * min(pair)
    ]


def cost_of(stats: Statistics, factors) -> dict[str, float]:
    chains, total = chainables(stats), stats.cost()
    spent = {"macs": total.macs, "params": total.params}
    for name, factor in factors.items():
        if factor is not None:
            after, before = chains[name].as_factored(factor), chains[name].dense()
            spent = {key: spent[key] - before[key] + after[key] for key in spent}
    return spent


@pytest.mark.parametrize("metric", ["weights", "inputs", "loss"])
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    "given", [{"macs": 0.7}, {"params": 0.6}, {"macs": 0.8, "params": 0.7}]
)
def test_the_best_ranks_there_are(recipe: str, given, metric: str) -> None:
    """Over all choices of two layers, the others left as they are."""
    stats = SMALL
    fixed = dict.fromkeys(list(stats.layers)[2:], 0)
    plan = ccsolve.plan(stats, **given, recipe=recipe, metric=metric, fixed=fixed)
    names = list(stats.layers)[:2]
    best = math.inf
    options = [every(stats, name, recipe) for name in names]
    losses = [
        [loss_at(stats, name, one, metric) for one in some]
        for name, some in zip(names, options, strict=True)
    ]
    for picked in itertools.product(*(range(len(some)) for some in options)):
        chosen = {
            name: options[i][j]
            for i, (name, j) in enumerate(zip(names, picked, strict=True))
        }
        spent = cost_of(stats, chosen)
        if all(spent[key] <= limit for key, limit in plan.asked.items()):
            best = min(best, sum(losses[i][j] for i, j in enumerate(picked)))
    assert plan.objective == pytest.approx(best, rel=1e-6, abs=1e-9)
    assert plan.bound <= best + plan.resolution and plan.gap <= 1e-6
    assert all(name not in plan.factors for name in fixed)


@pytest.mark.parametrize("multiple", [1, 4, 8])
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("given", [{"macs": 0.6}, {"macs": 0.7, "params": 0.6}])
def test_budgets_hold_and_nothing_can_be_put_back(recipe, given, multiple) -> None:
    plan = ccsolve.plan(WIDE, **given, recipe=recipe, multiple_of=multiple)
    assert plan.achieved == cost_of(WIDE, plan.factors)
    assert all(plan.achieved[key] <= limit for key, limit in plan.asked.items())
    assert plan.keep.keys() == WIDE.groups.keys()
    assert all((plan.mask(name)).all() for name in plan.keep)
    for name, factor in plan.factors.items():
        others = [one for one in every(WIDE, name, recipe) if one is not None]
        most = np.max([one.ranks for one in others], axis=0)
        assert all(
            r % multiple == 0 or r == top
            for r, top in zip(factor.ranks, most, strict=True)
        )
        own = loss_at(WIDE, name, factor, "loss")
        for other in [None, *others]:
            if other is not None and any(r % multiple for r in other.ranks):
                continue
            if loss_at(WIDE, name, other, "loss") < own:
                spent = cost_of(WIDE, {**plan.factors, name: other})
                assert any(spent[key] > plan.asked[key] for key in plan.asked)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_loss_falls_with_the_budget(recipe: str) -> None:
    budgets = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    plans = [ccsolve.plan(CHAIN, macs=budget, recipe=recipe) for budget in budgets]
    assert plans[-1].objective == 0 and not plans[-1].factors
    for less, more in itertools.pairwise(plans):
        assert more.objective <= less.objective + less.resolution
        assert less.prices["macs"] > 0


def test_spatial_splits() -> None:
    plan = ccsolve.plan(CHAIN, params=0.6, recipe="svd", split="spatial")
    splits = {name: factor.split for name, factor in plan.factors.items()}
    assert "spatial" in splits.values() and splits.get("classifier") != "spatial"
    assert plan.achieved == cost_of(CHAIN, plan.factors)
    expected = sum(loss_at(CHAIN, n, f, "weights") for n, f in plan.factors.items())
    assert plan.objective == pytest.approx(expected)
    with pytest.raises(Unsupported, match="spatial"):
        ccsolve.plan(CHAIN, macs=0.5, recipe="svd", split="spatial", metric="loss")


def test_the_metric_is_the_strongest_that_is_there() -> None:
    def without(*parts: str) -> Statistics:
        layers = {
            name: replace(layer, **dict.fromkeys(parts))
            for name, layer in CHAIN.layers.items()
        }
        return replace(CHAIN, layers=layers)

    def metric(stats: Statistics) -> Any:
        return ccsolve.plan(stats, macs=0.8, recipe="svd").provenance["metric"]

    assert metric(CHAIN) == "loss"
    assert metric(without("output_curvature")) == "inputs"
    assert metric(without("input_moment", "output_curvature")) == "weights"
    with pytest.raises(MissingStatistics, match="input_moment"):
        ccsolve.plan(without("input_moment"), macs=0.8, recipe="svd", metric="inputs")


@pytest.mark.parametrize("recipe", RECIPES)
def test_ranks_can_be_fixed(recipe: str) -> None:
    fixed = {"conv1": 0, "conv2": 3}
    plan = ccsolve.plan(CHAIN, macs=0.8, recipe=recipe, fixed=fixed)
    assert "conv1" not in plan.factors
    assert set(plan.factors["conv2"].ranks) == {3}
    for wrong, message in [({"conv9": 2}, "conv9"), ({"conv2": 99}, "fixed")]:
        with pytest.raises(InvalidProblem, match=message):
            ccsolve.plan(CHAIN, macs=0.8, recipe=recipe, fixed=wrong)


@pytest.mark.parametrize("recipe", RECIPES)
def test_plans_are_saved_and_loaded(tmp_path, recipe: str) -> None:
    plan = ccsolve.plan(CHAIN, macs=0.6, recipe=recipe)
    plan.save(tmp_path / "plan.json")
    again = Plan.load(tmp_path / "plan.json")
    assert again.factors == plan.factors and again.achieved == plan.achieved
    assert again.prices == plan.prices and again.objective == plan.objective
    layers = again.provenance["layers"]
    total = math.fsum(item["loss"] for item in layers.values())
    assert total == pytest.approx(plan.objective)


def test_latency_by_times() -> None:
    stats = latency_stats()
    times = {
        "conv2": {(): 100.0, (2,): 30.0, (4,): 60.0, (6,): 120.0},
        "conv3": {(): 80.0, (1,): 15.0, (3,): 50.0},
    }
    plan = ccsolve.plan(stats, latency=200, recipe="svd", times=times)
    assert set(plan.factors) <= set(times)
    spent = 300.0
    for name, factor in plan.factors.items():
        spent -= times[name][()] - times[name][factor.ranks]
    assert plan.achieved["latency"] == pytest.approx(spent) and spent <= 200
    with pytest.raises(MissingStatistics, match="measure_chains"):
        ccsolve.plan(stats, latency=200, recipe="svd")
    with pytest.raises(InvalidProblem, match="times"):
        ccsolve.plan(stats, latency=200, recipe="svd", times={"conv2": {(2,): 3.0}})


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(Infeasible, match="smallest ranks"):
        ccsolve.plan(CHAIN, macs=0.01, recipe="svd")
    with pytest.raises(Infeasible, match="min_keep"):
        ccsolve.plan(CHAIN, macs=0.5, recipe="tucker", min_keep=50)
    with pytest.raises(Infeasible, match="or fix less"):
        kept = dict.fromkeys(chainables(CHAIN), 0)
        ccsolve.plan(CHAIN, macs=0.5, recipe="svd", fixed=kept)
    with pytest.raises(InvalidProblem, match="metric"):
        ccsolve.plan(CHAIN, macs=0.5, recipe="tt", metric="taylor")
    with pytest.raises(Unsupported, match="split"):
        ccsolve.plan(CHAIN, macs=0.5, recipe="tt", split="spatial")
    with pytest.raises(MissingStatistics, match="strides"):
        ccsolve.plan(random_chain(), macs=0.5, recipe="tucker")
    assert ccsolve.plan(random_chain(), macs=0.6, recipe="svd").factors


def test_a_layer_of_zeros_is_worth_nothing() -> None:
    layers = dict(CHAIN.layers)
    layers["conv2"] = replace(layers["conv2"], weight=0 * layers["conv2"].weight)
    stats = replace(CHAIN, layers=layers)
    plan = ccsolve.plan(stats, macs=0.99, recipe="svd", metric="weights")
    assert plan.objective == 0 and plan.factors["conv2"].ranks == (1,)
