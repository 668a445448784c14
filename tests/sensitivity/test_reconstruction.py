"""The reconstruction program at every width: greedy removal's losses, or better."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ccsolve.criteria import refit_removal
from ccsolve.criteria.removal import RIDGE
from ccsolve.errors import MissingStatistics
from ccsolve.sensitivity import refit_curve
from ccsolve.statistics import Layer, Statistics
from ccsolve.statistics.generate import random_chain

CHAIN = random_chain((6, 8, 5))


def two_readers() -> Statistics:
    """Give the chain with a second layer that reads the first group, permuted."""
    shortcut = replace(
        CHAIN.layers["conv2"],
        name="shortcut",
        inputs={"conv1": np.random.default_rng(1).permutation(6)},
    )
    return replace(CHAIN, layers={**CHAIN.layers, "shortcut": shortcut})


def concatenated() -> Statistics:
    """Give the chain with a layer that reads two of the first group's classes twice.

    Its last two channels are of another group, which stays.
    """
    reader = CHAIN.layers["conv2"]
    inputs = {
        "conv1": np.array([2, 0, 1, 3, -1, -1]),
        "conv2": np.array([-1, -1, -1, -1, 4, 5]),
    }
    groups = {**CHAIN.groups, "conv1": random_chain((4, 8, 5)).groups["conv1"]}
    layers = {"conv2": replace(reader, inputs=inputs)}
    return Statistics(groups, layers, samples=20)


CASES = [
    (CHAIN, "conv1"),
    (CHAIN, "conv2"),
    (CHAIN, "conv3"),
    (two_readers(), "conv1"),
    (concatenated(), "conv1"),
]


def from_scratch(layer: Layer, group: str, kept: np.ndarray) -> float:
    """Give min over V of ½tr(M · ridged error) for the classes kept."""
    weight = layer.weight.reshape(len(layer.weight), -1).T.astype(float)
    mean = np.asarray(layer.input_mean, dtype=float)
    h = np.asarray(layer.input_moment, dtype=float) - np.outer(mean, mean)
    h = h + RIDGE * np.trace(h) / len(h) * np.eye(len(h))
    classes = layer.inputs[group]
    stays = (classes < 0) | np.isin(classes, np.flatnonzero(kept))
    left = np.flatnonzero(np.repeat(stays, layer.weight[0, 0].size))
    fitted = np.zeros_like(weight)
    fitted[left] = np.linalg.solve(h[np.ix_(left, left)], h[left] @ weight)
    error = fitted - weight
    return 0.5 * float(np.trace(error.T @ h @ error @ layer.output_curvature))


@pytest.mark.parametrize(("stats", "group"), CASES)
def test_without_refinement_it_is_greedy_removal(stats: Statistics, group: str):
    curve, removal = (
        refit_curve(stats, group, refine=False),
        refit_removal(stats, group),
    )
    scale = removal.loss[-1]
    np.testing.assert_allclose(curve.losses, removal.loss, atol=1e-9 * scale)
    size = stats.groups[group].size
    assert (curve.kept.sum(axis=1) == np.arange(size, -1, -1)).all()


@pytest.mark.parametrize(("stats", "group"), CASES)
def test_losses_are_those_of_the_classes_kept_and_never_above_greedy(
    stats: Statistics, group: str
):
    curve, removal = refit_curve(stats, group), refit_removal(stats, group)
    whole = removal.loss[-1]
    assert (curve.losses <= removal.loss + 1e-9 * whole).all()
    assert (np.diff(curve.losses) >= -1e-9 * whole).all()
    assert (curve.losses >= 0).all()
    assert (curve.bounds == -np.inf).all()
    layers = [layer for layer in stats.layers.values() if group in layer.inputs]
    scratch = np.array(
        [
            sum(from_scratch(layer, group, kept) for layer in layers)
            for kept in curve.kept
        ]
    )
    unit = whole / scratch[-1]
    np.testing.assert_allclose(curve.losses, unit * scratch, atol=1e-7 * whole)


def test_small_groups_are_near_the_optimum():
    layer, curve = CHAIN.layers["conv2"], refit_curve(CHAIN, "conv1")
    unit = curve.losses[-1] / from_scratch(layer, "conv1", np.zeros(6, dtype=bool))
    for gone in range(7):
        losses = [
            from_scratch(layer, "conv1", ~np.isin(np.arange(6), removed))
            for removed in itertools.combinations(range(6), gone)
        ]
        assert curve.losses[gone] <= 1.02 * unit * min(losses) + 1e-9


def test_missing_parts_are_named():
    bare = replace(CHAIN.layers["conv2"], input_moment=None)
    stats = replace(CHAIN, layers={**CHAIN.layers, "conv2": bare})
    with pytest.raises(MissingStatistics, match=r"layers/conv2: .*layers='moments'"):
        refit_curve(stats, "conv1")
    with pytest.raises(MissingStatistics, match="groups/conv1: no layer that reads"):
        refit_curve(replace(CHAIN, layers={}), "conv1")


def test_a_reader_that_never_varies_loses_nothing():
    """Alone it makes every width free; beside others it adds nothing."""
    mean = np.random.default_rng(0).uniform(-3, 3, 6).astype(np.float32)
    constant = Layer(
        "constant",
        "linear",
        np.ones((2, 6)),
        input_mean=mean,
        input_moment=np.outer(mean, mean),
        output_curvature=np.eye(2),
        inputs={"conv1": np.arange(6)},
    )
    alone = replace(CHAIN, layers={"constant": constant})
    assert refit_curve(alone, "conv1").losses.tolist() == [0.0] * 7
    both = replace(CHAIN, layers={**CHAIN.layers, "constant": constant})
    found, before = refit_curve(both, "conv1"), refit_curve(CHAIN, "conv1")
    ratio = found.losses[1:] / before.losses[1:]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
