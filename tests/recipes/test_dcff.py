"""DCFF on weights: distributions, importances, fusion, the schedule, the plan."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.recipes.dcff import (
    by_class,
    distributions,
    fusion,
    group_filters,
    importance,
    temperature_at,
)
from ccsolve.statistics import Layer
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))
RNG = np.random.default_rng(4)
FILTERS = RNG.standard_normal((7, 3, 3, 3))


def by_the_formula(filters: Any, t: float) -> tuple[Any, Any]:
    """Give P and I entry by entry."""
    n = len(filters)
    rows = filters.reshape(n, -1)
    P, scores = np.zeros((n, n)), np.zeros(n)
    for j in range(n):
        weights = [math.exp(-np.linalg.norm(rows[j] - rows[k]) / t) for k in range(n)]
        P[j] = np.array(weights) / sum(weights)
    for j in range(n):
        for k in range(n):
            for m in range(n):
                if P[j, m] > 0:
                    scores[j] += P[j, m] * math.log(P[j, m] / (P[k, m] + 1e-7)) / n
    return P, scores


@pytest.mark.parametrize("t", [3.0, 1.0, 0.3, 1e-2, 1e-4])
def test_distributions_and_importances_are_the_formula(t: float):
    P, scores = by_the_formula(FILTERS, t)
    np.testing.assert_allclose(distributions(FILTERS, t), P, atol=1e-12)
    np.testing.assert_allclose(importance(P), scores, rtol=1e-9, atol=1e-9)


def test_each_row_is_a_distribution_with_itself_first():
    P = distributions(FILTERS, 1.0)
    assert (P > 0).all()
    np.testing.assert_allclose(P.sum(axis=1), 1.0)
    assert (P.argmax(axis=1) == np.arange(len(P))).all()


def test_what_moves_or_turns_all_filters_changes_nothing():
    rows = FILTERS.reshape(7, -1)
    turned, _ = np.linalg.qr(RNG.standard_normal((27, 27)))
    P = distributions(rows, 0.7)
    np.testing.assert_allclose(distributions(rows @ turned + 5.0, 0.7), P, atol=1e-9)
    np.testing.assert_allclose(distributions(3 * rows, 2.1), P, atol=1e-12)


def test_a_filter_far_from_all_others_is_kept():
    rows = 0.1 * RNG.standard_normal((8, 5))
    rows[5] += 4.0
    assert fusion(rows, 1, 1.0).keep.tolist() == [5]


def test_equal_filters_are_fused_to_what_they_are():
    rows = np.repeat(RNG.standard_normal((3, 4)), 2, axis=0)
    found = fusion(rows, 6, 1e-2)
    np.testing.assert_allclose(found.fused(rows), rows, atol=1e-9)
    np.testing.assert_allclose(found.matrix[0, :2], 0.5, atol=1e-6)


def test_fused_filters_are_means_of_all():
    found = fusion(FILTERS, 4, 1.0)
    P, scores = by_the_formula(FILTERS, 1.0)
    assert set(found.keep) == set(np.argsort(-scores)[:4])
    assert (np.diff(found.keep) > 0).all()
    expected = np.stack(
        [sum(P[j, k] * FILTERS[k] for k in range(7)) for j in found.keep]
    )
    np.testing.assert_allclose(found.fused(FILTERS), expected)
    bias = RNG.standard_normal(7)
    np.testing.assert_allclose(found.fused(bias), P[found.keep] @ bias)


def test_in_the_end_a_filter_stands_for_itself():
    found = fusion(FILTERS, 3, temperature_at(30, 30))
    assert (found.matrix == np.eye(7)[found.keep]).all()
    assert (found.fused(FILTERS) == FILTERS[found.keep]).all()


def test_the_choice_stays_once_nothing_sets_filters_apart():
    cold = fusion(FILTERS, 3, 1e-4)
    assert len(set(cold.importance)) == 1
    assert cold.keep.tolist() == [0, 1, 2]
    for before in ([4, 5, 6], [1, 3, 6]):
        assert fusion(FILTERS, 3, 1e-4, before=before).keep.tolist() == before
    warm = fusion(FILTERS, 3, 1.0).keep
    assert (fusion(FILTERS, 3, 1.0, before=[0, 1, 2]).keep == warm).all()


@pytest.mark.parametrize("epochs", [1, 10, 300])
def test_the_schedule_rises_from_end_to_end(epochs: int):
    steep = [1 / temperature_at(e, epochs) for e in range(epochs + 1)]
    assert steep[0] == 1.0 and steep[-1] == pytest.approx(1e4)
    assert (np.diff(steep) >= 0).all()
    A = 2 * 9999 * (1 + math.exp(-epochs)) / (1 - math.exp(-epochs))
    for epoch in range(epochs + 1):
        expected = A / (1 + math.exp(-epoch)) + 1 - A / 2
        assert steep[epoch] == pytest.approx(expected, rel=1e-9)


def test_a_slow_schedule_takes_its_time():
    fast, slow = (temperature_at(20, 100, rate=rate) for rate in (1.0, 0.05))
    assert slow > fast
    assert temperature_at(100, 100, first=2.0, last=50.0) == pytest.approx(1 / 50)
    assert temperature_at(10**6, 10**6 + 1, rate=1e3) == pytest.approx(1e-4)


@pytest.mark.parametrize("widths", ["uniform", 0.5, {"conv2": 3}, "taylor"])
def test_the_plan_keeps_what_is_unlike(widths: Any):
    plan = ccsolve.plan(STATS, macs=0.9, recipe="dcff", widths=widths)
    for name, width in plan.widths.items():
        found = fusion(STATS.layers[name].weight, width, 1.0)
        assert (plan.keep[name] == found.keep).all()
    assert plan.achieved["macs"] <= plan.asked["macs"]
    assert math.isnan(plan.objective) and plan.bound == -math.inf
    assert plan.provenance["fused"] == {name: [name] for name in plan.sizes}


def test_the_temperature_changes_the_choice():
    plans = [
        ccsolve.plan(STATS, macs=0.5, recipe="dcff", temperature=t) for t in (0.05, 1.0)
    ]
    assert any((plans[0].keep[k] != plans[1].keep[k]).any() for k in STATS.groups)


def coupled() -> ccsolve.Statistics:
    """Give statistics in which conv1 and a layer beside it make one group."""
    weight = RNG.standard_normal((6, 2, 1, 1))
    beside = Layer("beside", "conv", weight, outputs={"conv1": np.arange(6)[::-1]})
    depthwise = Layer(
        "depthwise",
        "conv",
        RNG.standard_normal((6, 1, 3, 3)),
        inputs={"conv1": np.arange(6)},
        outputs={"conv1": np.arange(6)},
    )
    layers = {**STATS.layers, "beside": beside, "depthwise": depthwise}
    return replace(STATS, layers=layers)


def test_filters_of_coupled_layers_lie_end_to_end():
    stats = coupled()
    rows = group_filters(stats, "conv1")
    first = stats.layers["conv1"].weight.reshape(6, -1)
    second = stats.layers["beside"].weight.reshape(6, -1)[::-1]
    np.testing.assert_array_equal(rows, np.concatenate([first, second], axis=1))
    plan = ccsolve.plan(stats, macs=0.5, recipe="dcff")
    assert plan.provenance["fused"]["conv1"] == ["conv1", "beside"]


def test_classes_of_several_channels_lie_end_to_end():
    weight = np.arange(12.0).reshape(6, 2)
    rows = by_class(weight, np.array([1, 0, -1, 1, 0, -1]), 2)
    np.testing.assert_array_equal(rows, [[2, 3, 8, 9], [0, 1, 6, 7]])
    with pytest.raises(InvalidProblem, match="1 to 2 filters"):
        by_class(weight, np.array([0, 0, 1, -1, -1, -1]), 2)


def test_without_weights_there_is_no_plan():
    stats = replace(STATS, layers={})
    with pytest.raises(MissingStatistics, match="layers='weights'"):
        ccsolve.plan(stats, macs=0.5, recipe="dcff")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distributions(FILTERS, 0.0), "temperature = 0.0"),
        (lambda: distributions(FILTERS * np.nan, 1.0), "filters"),
        (lambda: distributions(np.zeros((0, 3)), 1.0), "one along axis 0 each"),
        (lambda: fusion(FILTERS, 0, 1.0), "width"),
        (lambda: fusion(FILTERS, 8, 1.0), "width"),
        (lambda: temperature_at(5, 4), "epoch"),
        (lambda: temperature_at(0, 4, rate=-1.0), "rate"),
        (
            lambda: ccsolve.plan(STATS, macs=0.5, recipe="dcff", temperature=-1.0),
            "temperature",
        ),
    ],
)
def test_what_is_malformed_is_refused(call: Any, message: str):
    with pytest.raises(InvalidProblem, match=message):
        call()
