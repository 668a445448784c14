"""ADMM over the layers of exported statistics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import Factor, Plan
from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from ccsolve.recipes.admm_tt import admm_tt
from ccsolve.statistics import Layer, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8), seed=1)


def with_layer(**changes: Any) -> Statistics:
    layers = dict(STATS.layers)
    layers["conv2"] = replace(layers["conv2"], **changes)
    return replace(STATS, layers=layers)


@pytest.mark.parametrize("metric", [None, "weights", "inputs", "loss", "gradient"])
def test_every_layer_gets_a_weight(metric: str | None) -> None:
    names = [n for n in STATS.layers if metric != "gradient" or n != "classifier"]
    factors = dict.fromkeys(names, Factor("tt", 0.5))
    fits = admm_tt(STATS, factors, metric=metric, iterations=10)
    assert list(fits) == names
    for name, found in fits.items():
        assert found.weight.shape == STATS.layers[name].weight.shape
        assert found.objective <= found.projected


def test_what_is_asked_can_be_said_in_three_ways() -> None:
    factor = Factor("tt", 0.5)
    plan = Plan(recipe="by hand", keep={}, sizes={}, factors={"conv2": factor})
    given = [plan, {"conv2": factor}, {"conv2": {"format": "tt", "ranks": 0.5}}]
    found = [admm_tt(STATS, one, iterations=5)["conv2"].weight for one in given]
    same = admm_tt(STATS, 0.5, iterations=5)["conv2"].weight
    for one in found:
        np.testing.assert_array_equal(one, same)
    other = admm_tt(STATS, 2, format="tucker", iterations=5)["conv2"]
    assert other.factor == Factor("tucker", 2) and other.ranks == (2, 9, 2)


def test_plans_of_other_recipes_say_the_ranks() -> None:
    plan = ccsolve.plan(STATS, params=0.7, recipe="svd")
    fits = admm_tt(STATS, plan, iterations=3)
    assert fits and {n: fit.factor for n, fit in fits.items()} == dict(plan.factors)


def test_one_rank_is_for_layers_that_have_more() -> None:
    assert list(admm_tt(STATS, 7, format="svd", iterations=0)) == [
        "conv2",
        "classifier",
    ]


def test_several_workers_give_the_same() -> None:
    alone = admm_tt(STATS, 0.5, iterations=8)
    shared = admm_tt(STATS, 0.5, iterations=8, n_jobs=2)
    for name, found in alone.items():
        np.testing.assert_array_equal(found.weight, shared[name].weight)


def test_a_callback_ends_it() -> None:
    seen: list[int] = []
    fits = admm_tt(STATS, 0.5, iterations=1, callback=lambda n, _: seen.append(n) or 1)
    assert seen == [1] and list(fits) == ["conv1"]


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"conv9": Factor("svd", 1)}, "no layer 'conv9'"),
        ({}, "no layer"),
        ("conv1", "expected a Plan"),
        (True, "expected a Plan"),
        ({"conv1": 3}, r"factors\['conv1'\]"),
        ({"conv2": Factor("svd", 60)}, "layer conv2: rank 60"),
        (1.5, "rank 1.5"),
        (
            Plan(recipe="x", keep={"a": [0]}, sizes={"a": 2}, factors={"conv1": FACTOR})
            if (FACTOR := Factor("svd", 1))
            else None,
            "removes channels of 'a'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(factors: Any, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        admm_tt(STATS, factors)


def test_missing_parts_are_named() -> None:
    with pytest.raises(MissingStatistics, match="layers/conv2: no input_moment"):
        admm_tt(with_layer(input_moment=None), 0.5, metric="inputs")
    with pytest.raises(MissingStatistics, match="no output_curvature"):
        admm_tt(with_layer(output_curvature=None), 0.5, metric="loss")
    with pytest.raises(InvalidProblem, match="metric = 'outputs'"):
        admm_tt(STATS, 0.5, metric="outputs")
    assert "conv2" in admm_tt(with_layer(input_moment=None), 0.5, iterations=1)


def test_layers_in_another_layout_are_left_out_or_refused() -> None:
    weight = np.random.default_rng(0).standard_normal((6, 8, 3, 3))
    turned = Layer("up", "conv_transpose", weight)
    grouped = Layer("deep", "conv", weight, inputs={"conv1": np.arange(16) % 6})
    stats = replace(STATS, layers={"up": turned, "deep": grouped, **STATS.layers})
    assert set(admm_tt(stats, 0.5, iterations=0)) == set(STATS.layers)
    with pytest.raises(Unsupported, match="layer up: a transposed"):
        admm_tt(stats, {"up": Factor("svd", 1)})
    with pytest.raises(Unsupported, match="layer deep: a grouped"):
        admm_tt(stats, {"deep": Factor("svd", 1)})
