"""Criteria of the weights: known cases, and what must not change them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsolve import criteria
from ccsolve.errors import InvalidStatistics, MissingStatistics
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))


def one_writer(weight: Any, **parts: Any) -> Statistics:
    """Give a group that one linear layer writes."""
    rows = np.asarray(weight, dtype=float)
    layer = Layer("w", "linear", rows, outputs={"g": np.arange(len(rows))}, **parts)
    return Statistics({"g": Group("g", len(rows))}, layers={"w": layer})


def scaled(stats: Statistics, factor: float) -> Statistics:
    layers = {
        name: replace(layer, weight=factor * layer.weight)
        for name, layer in stats.layers.items()
    }
    return replace(stats, layers=layers)


@pytest.mark.parametrize(
    ("criterion", "power"),
    [("l1", 1), ("l2", 1), ("fpgm", 1), ("lamp", 0), ("taylor_weight", 2)],
)
def test_scaled_weights_scale_the_score(criterion: str, power: int):
    for group in STATS.groups:
        before = criteria.score(STATS, group, criterion)
        after = criteria.score(scaled(STATS, 4.0), group, criterion)
        np.testing.assert_allclose(after, 4.0**power * before, rtol=1e-6)


def test_nisp_has_the_same_ratios_whatever_the_scale():
    for group in STATS.groups:
        before, after = (
            criteria.nisp(stats, group) for stats in (STATS, scaled(STATS, 4.0))
        )
        np.testing.assert_allclose(after / after.sum(), before / before.sum())


def test_fpgm_is_the_sum_of_distances():
    rows = STATS.layers["conv2"].weight.reshape(8, -1).astype(float)
    expected = np.linalg.norm(rows[:, None] - rows, axis=2).sum(axis=1)
    np.testing.assert_allclose(criteria.fpgm(STATS, "conv2"), expected)


def test_fpgm_removes_the_filter_in_the_middle_and_not_the_smallest():
    stats = one_writer([[0.0], [4.0], [5.0], [6.0], [10.0]])
    assert criteria.fpgm(stats, "g").argmin() == 2
    assert criteria.l2(stats, "g").argmin() == 0
    moved = one_writer([[100.0], [104.0], [105.0], [106.0], [110.0]])
    np.testing.assert_allclose(criteria.fpgm(moved, "g"), criteria.fpgm(stats, "g"))


def test_fpgm_takes_all_writers_of_a_class():
    weights = np.random.default_rng(0).standard_normal((6, 2))
    layers = {
        "a": Layer("a", "linear", weights[:3], outputs={"g": [0, 1, 2]}),
        "b": Layer("b", "linear", weights[3:], outputs={"g": [2, 0, 1]}),
    }
    stats = Statistics({"g": Group("g", 3)}, layers=layers)
    rows = np.hstack([weights[:3], weights[[4, 5, 3]]])
    expected = np.linalg.norm(rows[:, None] - rows, axis=2).sum(axis=1)
    np.testing.assert_allclose(criteria.fpgm(stats, "g"), expected)


def test_uneven_writers_are_refused():
    layer = Layer("w", "linear", np.ones((3, 2)), outputs={"g": [0, 0, 1]})
    stats = Statistics({"g": Group("g", 2)}, layers={"w": layer})
    with pytest.raises(InvalidStatistics, match="layers/w/outputs/g: 1 to 2 filters"):
        criteria.fpgm(stats, "g")


def test_lamp_is_the_share_of_what_is_as_large():
    stats = one_writer([[1.0, 0.0], [0.0, 3.0], [2.0, 0.0]])
    np.testing.assert_allclose(criteria.lamp(stats, "g"), [1 / 14, 1.0, 4 / 13])
    assert criteria.lamp(one_writer(np.zeros((2, 2))), "g").tolist() == [0.0, 0.0]


@pytest.mark.parametrize("group", STATS.groups)
def test_lamp_orders_a_group_as_its_norm_does(group: str):
    shares = criteria.lamp(STATS, group)
    assert (np.argsort(shares) == np.argsort(criteria.l2(STATS, group))).all()
    assert shares.max() == 1.0


def test_weight_taylor_is_the_squared_change_of_a_linear_loss():
    layer = STATS.layers["conv2"]
    assert layer.gradient is not None
    for chosen, found in enumerate(criteria.taylor_weight(STATS, "conv2")):
        change = -float((layer.gradient[chosen] * layer.weight[chosen]).sum())
        assert found == pytest.approx(change**2, rel=1e-5)
    bare = replace(STATS, layers={"conv2": replace(layer, gradient=None)})
    with pytest.raises(MissingStatistics, match="conv2 has no mean gradient"):
        criteria.taylor_weight(bare, "conv2")


def test_nisp_hands_back_by_hand():
    layers = {
        "a": Layer("a", "linear", np.ones((2, 3)), outputs={"g": [0, 1]}),
        "b": Layer(
            "b", "linear", np.array([[1.0, -2.0], [0.0, 3.0]]), inputs={"g": [0, 1]},
            outputs={"h": [1, 0]},
        ),
        "c": Layer("c", "linear", np.array([[-1.0, 4.0]]), inputs={"h": [0, 1]}),
    }  # fmt: skip
    groups = {name: Group(name, 2) for name in ("g", "h")}
    stats = Statistics(groups, layers=layers)
    outer, inner = criteria.nisp(stats, "h"), criteria.nisp(stats, "g")
    np.testing.assert_allclose(outer / outer[0], [1, 4])
    # b's first output is h's class 1, worth 4; its second is class 0, worth 1.
    np.testing.assert_allclose(inner / inner[0], [4 / 4, (2 * 4 + 3) / 4])


def residual_stream(blocks: int, seed: int = 0) -> tuple[Statistics, list[np.ndarray]]:
    """Give x <- x + V_b W_b x, and a readout; and the maps between, W and V in turn."""
    rng, layers, groups, maps = np.random.default_rng(seed), {}, {}, []
    groups["x"] = Group("x", 4)
    layers["stem"] = Layer("stem", "linear", np.ones((4, 2)), outputs={"x": range(4)})
    for block in range(blocks):
        W, V = rng.standard_normal((3, 4)), rng.standard_normal((4, 3))
        inner = f"b{block}"
        groups[inner] = Group(inner, 3)
        layers[f"W{block}"] = Layer(
            f"W{block}", "linear", W, inputs={"x": range(4)}, outputs={inner: range(3)}
        )
        layers[f"V{block}"] = Layer(
            f"V{block}", "linear", V, inputs={inner: range(3)}, outputs={"x": range(4)}
        )
        maps += [W, V]
    out = rng.standard_normal((5, 4))
    layers["out"] = Layer("out", "linear", out, inputs={"x": range(4)})
    return Statistics(groups, layers=layers), [*maps, out]


def test_nisp_follows_a_residual_stream_backwards():
    stats, (W0, V0, W1, V1, out) = residual_stream(2)
    W0, V0, W1, V1, out = (np.abs(part) for part in (W0, V0, W1, V1, out))
    behind = out.T @ np.ones(5)
    inner1 = V1.T @ behind
    between = behind + W1.T @ inner1
    inner0 = V0.T @ between
    stream = between + W0.T @ inner0
    for name, expected in (("b1", inner1), ("b0", inner0), ("x", stream)):
        found = criteria.nisp(stats, name)
        np.testing.assert_allclose(found / found.sum(), expected / expected.sum())
    # All are in one unit, so that one threshold may compare them.
    ratio = criteria.nisp(stats, "b1").sum() / criteria.nisp(stats, "x").sum()
    assert ratio == pytest.approx(inner1.sum() / stream.sum())


def test_nisp_of_very_deep_networks_is_finite():
    stats, _ = residual_stream(900)
    found = criteria.nisp(stats, "x")
    assert np.isfinite(found).all() and (found > 0).all()


def test_nisp_of_grouped_convolutions_takes_each_weight_group():
    weight = np.arange(1.0, 9.0).reshape(4, 2, 1)
    layer = Layer("w", "conv", weight, inputs={"g": [0, 1, 2, 3]})
    stats = Statistics({"g": Group("g", 4)}, layers={"w": layer})
    found = criteria.nisp(stats, "g")
    # Filters 0 and 1 read channels 0 and 1, filters 2 and 3 the others.
    np.testing.assert_allclose(found / found[0], np.array([4, 6, 12, 14]) / 4)


@pytest.mark.parametrize("name", criteria.EXPORTED)
def test_exported_scores_say_where_they_come_from(name: str):
    with pytest.raises(MissingStatistics, match=rf"no score '{name}'; .*ccsolve_torch"):
        criteria.score(one_writer(np.ones((2, 2))), "g", name)
    group = Group("g", 2, scores={name: [3.0, 1.0]})
    assert criteria.score(Statistics({"g": group}), "g", name).tolist() == [3.0, 1.0]


@pytest.mark.parametrize("compute", [criteria.l1, criteria.l2, criteria.fpgm])
def test_a_permuted_writer_permutes_the_score(
    compute: Callable[[Statistics, str], np.ndarray],
):
    weight = np.random.default_rng(1).standard_normal((5, 4))
    order = np.array([3, 0, 4, 1, 2])
    plain, mixed = one_writer(weight), one_writer(weight[order])
    np.testing.assert_allclose(compute(mixed, "g"), compute(plain, "g")[order])
