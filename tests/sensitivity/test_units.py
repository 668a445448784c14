"""Collaborative Compression's units: losses from scratch, costs from the formula."""

from dataclasses import replace

import numpy as np
import pytest

from ccsolve.errors import MissingStatistics
from ccsolve.sensitivity import unit_curve, unit_removal
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))


def layer(n: int, c: int, kernel: tuple[int, ...], seed: int = 0) -> Layer:
    rng = np.random.default_rng(seed)
    shape = (n, c, *kernel)
    return Layer(
        "layer",
        "conv" if kernel else "linear",
        rng.standard_normal(shape),
        gradient=rng.standard_normal(shape),
        inputs={"g": np.arange(c)},
    )


SHAPES = [(4, 3, (3, 3)), (7, 2, (1, 1)), (5, 5, ()), (9, 1, (2, 2)), (1, 4, (3,))]


@pytest.mark.parametrize("shape", SHAPES)
def test_losses_and_rates_from_scratch(shape: tuple[int, int, tuple[int, ...]]):
    one = layer(*shape)
    n, c = one.weight.shape[:2]
    s = one.weight[0, 0].size
    assert one.gradient is not None
    weight, gradient = (x.reshape(n, -1) for x in (one.weight, one.gradient))
    rank = min(n, c * s)
    u, sigma, vt = np.linalg.svd(weight, full_matrices=False)

    def without(channels: set[int], parts: set[int]) -> np.ndarray:
        left = [k for k in range(rank) if k not in parts]
        rest = (u[:, left] * sigma[left]) @ vt[left]
        rest.reshape(n, c, s)[:, sorted(channels)] = 0
        return rest

    def loss(channels: set[int], parts: set[int]) -> float:
        return float(np.sum((gradient * (without(channels, parts) - weight)) ** 2))

    alone = {("channel", j): loss({j}, set()) for j in range(c)}
    alone |= {("part", k): loss(set(), {k}) for k in range(rank)}
    curve = unit_curve(one)
    assert curve.losses.size == c + rank
    channels, parts = set[int](), set[int]()
    for step, (kind, unit) in enumerate(sorted(alone, key=lambda key: alone[key])):
        (channels if kind == "channel" else parts).add(unit)
        assert curve.channels[step] == len(channels)
        assert curve.components[step] == len(parts)
        assert curve.losses[step] == pytest.approx(loss(channels, parts))
        left = (c - len(channels)) * s
        macs = left * n if not parts else (rank - len(parts)) * (left + n)
        assert curve.rates[step] == pytest.approx(1 - macs / (n * c * s))
    assert curve.losses[-1] == pytest.approx(np.sum((gradient * weight) ** 2))


def test_what_is_left_has_the_rank_that_is_paid_for():
    """Channels zeroed in a matrix of lower rank do not raise its rank again."""
    curve = unit_curve(layer(4, 3, (3, 3)))
    assert curve.rates[-1] == 1
    assert (np.diff(curve.channels) >= 0).all()
    assert (np.diff(curve.components) >= 0).all()


def test_removal_is_cumulative_over_all_readers():
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(6)
    shortcut = replace(
        STATS.layers["conv2"], name="shortcut", inputs={"conv1": shuffled}
    )
    stats = replace(STATS, layers={**STATS.layers, "shortcut": shortcut})
    conv = STATS.layers["conv2"]
    assert conv.gradient is not None
    per = np.square(conv.gradient.astype(float) * conv.weight).sum(axis=(0, 2, 3))
    worth = per + per[np.argsort(shuffled)]
    removal = unit_removal(stats, "conv1")
    assert removal.loss[0] == 0
    for gone in range(1, 7):
        assert removal.loss[gone] == pytest.approx(np.sort(worth)[:gone].sum())
        assert set(removal.order[:gone]) == set(np.argsort(worth)[:gone])


def test_flattened_inputs_add_up_by_class():
    classifier = STATS.layers["classifier"]
    assert classifier.gradient is None
    gradient = np.random.default_rng(2).standard_normal(classifier.weight.shape)
    stats = replace(
        STATS,
        layers={**STATS.layers, "classifier": replace(classifier, gradient=gradient)},
    )
    worth = np.square(gradient * classifier.weight).sum(axis=0).reshape(5, 4).sum(1)
    np.testing.assert_allclose(
        unit_removal(stats, "conv3").loss[1:], np.cumsum(np.sort(worth)), rtol=1e-5
    )


def test_grouped_convolutions_read_their_own_channels():
    """Two weight groups of 2 inputs and 3 filters: channel j is in block j // 2."""
    rng = np.random.default_rng(3)
    weight, gradient = rng.standard_normal((2, 6, 2, 3, 3))
    grouped = Layer(
        "conv", "conv", weight, gradient=gradient, inputs={"g": np.array([3, 2, 1, 0])}
    )
    stats = Statistics({"g": Group("g", 4)}, {"conv": grouped})
    entries = np.square(weight * gradient).sum(axis=(2, 3))
    by_channel = [entries[:3, 0], entries[:3, 1], entries[3:, 0], entries[3:, 1]]
    worth = np.array([part.sum() for part in by_channel])[::-1]
    removal = unit_removal(stats, "g")
    assert (removal.order == np.argsort(worth)).all()
    assert removal.loss[-1] == pytest.approx(worth.sum())


def test_missing_parts_are_named():
    with pytest.raises(MissingStatistics, match="layers/classifier: no mean gradient"):
        unit_curve(STATS.layers["classifier"])
    with pytest.raises(MissingStatistics, match="layers/classifier: no mean gradient"):
        unit_removal(STATS, "conv3")
    with pytest.raises(MissingStatistics, match="groups/conv1: no layer that reads"):
        unit_removal(replace(STATS, layers={}), "conv1")
