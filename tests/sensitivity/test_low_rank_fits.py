"""Losses of fits: against the fits themselves, and bounds on the best ones."""

import math

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.sensitivity import low_rank_losses, spatial_losses, two_sided_losses
from ccsolve.statistics import Layer

METRICS = ("weights", "inputs", "loss")
SHAPES = [(5, 3, 2, 2), (3, 4, 3), (4, 6), (12, 2, 2)]


def layer(shape: tuple[int, ...], seed: int = 0) -> Layer:
    rng = np.random.default_rng(seed)
    n, d = shape[0], math.prod(shape[1:])
    x = rng.standard_normal((2 * d, d)) * np.linspace(0.2, 2, d)
    g = rng.standard_normal((2 * n, n))
    return Layer(
        name="conv",
        kind="linear" if len(shape) == 2 else "conv",
        weight=rng.standard_normal(shape),
        input_moment=x.T @ x / len(x),
        output_curvature=g.T @ g / len(g),
    )


def size_of(one: Layer, error, metric: str) -> float:
    """Give the error in the metric, from its definition."""
    E = np.asarray(error, dtype=np.float64).reshape(len(one.weight), -1)
    if metric == "weights":
        return float((E**2).sum())
    second = E @ np.asarray(one.input_moment, dtype=np.float64) @ E.T
    if metric == "inputs":
        return float(np.trace(second))
    return 0.5 * float((np.asarray(one.output_curvature) * second).sum())


def leading(matrix, rank: int):
    return np.linalg.eigh(matrix)[1][:, len(matrix) - rank :]


def higher_order(one: Layer, r: int, s: int):
    """Give the weight of the higher-order SVD's fit."""
    weight = one.weight.astype(np.float64)
    sides = [
        np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1) for axis in (0, 1)
    ]
    U, V = (leading(side @ side.T, k) for side, k in zip(sides, (r, s), strict=True))
    return np.einsum("nc...,nm,cd->md...", weight, U @ U.T, V @ V.T)


@pytest.mark.parametrize("fit", ["weights", "inputs"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shape", SHAPES)
def test_losses_are_those_of_the_fit(shape, metric: str, fit: str) -> None:
    one = layer(shape)
    weight = one.weight.reshape(len(one.weight), -1).astype(np.float64)
    target = weight @ weight.T
    if fit == "inputs":
        target = weight @ np.asarray(one.input_moment, dtype=np.float64) @ weight.T
    losses = low_rank_losses(one, metric=metric, fit=fit)
    full = min(weight.shape)
    assert len(losses) == full + 1 and losses[0] == 0
    for gone in range(1, full + 1):
        U = leading(target, full - gone)
        expected = size_of(one, weight - U @ (U.T @ weight), metric)
        assert losses[gone] == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_fit_is_below_the_best(shape, metric: str) -> None:
    one = layer(shape)
    best = low_rank_losses(one, metric=metric)
    for fit in ("weights", "inputs"):
        losses = low_rank_losses(one, metric=metric, fit=fit)
        assert (losses >= best * (1 - 1e-9) - 1e-9).all()
        if fit == metric:
            np.testing.assert_allclose(losses, best, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shape", SHAPES)
def test_two_sided_losses_are_of_the_higher_order_svd(shape, metric: str) -> None:
    one = layer(shape)
    found = two_sided_losses(one, metric=metric)
    for r in range(1, len(found.loss)):
        for s in range(1, found.loss.shape[1]):
            error = one.weight - higher_order(one, r, s)
            expected = size_of(one, error, metric)
            assert found.loss[r, s] == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert (found.lower <= found.loss).all() and found.loss[-1, -1] == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_two_sided_losses_bound_every_fit(shape) -> None:
    """Alternating projections begin at the upper bound and stay above the lower."""
    one = layer(shape)
    weight = one.weight.reshape(*one.weight.shape[:2], -1).astype(np.float64)
    found = two_sided_losses(one, metric="weights")
    sides = [np.moveaxis(weight, a, 0).reshape(weight.shape[a], -1) for a in (0, 1)]
    tails = [low_rank_losses(layer_of(side), metric="weights")[::-1] for side in sides]
    for r, s in np.ndindex(*(size - 1 for size in found.loss.shape)):
        V = leading(sides[1] @ sides[1].T, s + 1)
        for _ in range(20):
            half = np.einsum("nck,cs->nsk", weight, V).reshape(len(weight), -1)
            U = leading(half @ half.T, r + 1)
            other = np.einsum("nck,nr->crk", weight, U).reshape(len(V), -1)
            V = leading(other @ other.T, s + 1)
        fit = np.einsum("nck,nm,cd->mdk", weight, U @ U.T, V @ V.T)
        error = float(((weight - fit) ** 2).sum())
        assert found.lower[r + 1, s + 1] - 1e-9 <= error
        assert error <= found.loss[r + 1, s + 1] + 1e-9
        assert found.loss[r + 1, s + 1] <= tails[0][r + 1] + tails[1][s + 1] + 1e-9


def layer_of(matrix) -> Layer:
    return Layer(name="side", kind="linear", weight=matrix)


def test_groups_add_up() -> None:
    one = layer((6, 2, 2, 2))
    halves = [
        Layer(name="half", kind="conv", weight=w) for w in np.split(one.weight, 2)
    ]
    np.testing.assert_allclose(
        low_rank_losses(one, groups=2),
        sum(low_rank_losses(half) for half in halves),
    )
    np.testing.assert_allclose(
        two_sided_losses(one, groups=2).loss,
        sum(two_sided_losses(half).loss for half in halves),
    )
    np.testing.assert_allclose(
        spatial_losses(one, groups=2), sum(spatial_losses(half) for half in halves)
    )


def test_spatial_losses_are_tails() -> None:
    one = layer((4, 3, 2, 3))
    turned = one.weight.astype(np.float64).transpose(0, 3, 1, 2).reshape(12, 6)
    values = np.linalg.svd(turned, compute_uv=False)
    losses = spatial_losses(one)
    assert losses[2] == pytest.approx((values[-2:] ** 2).sum())
    assert losses[-1] == pytest.approx((one.weight**2).sum())


def test_what_is_not_there_is_said() -> None:
    one, bare = layer((6, 2, 2)), layer_of(np.eye(3))
    with pytest.raises(InvalidProblem, match="divisor"):
        low_rank_losses(one, groups=4)
    with pytest.raises(InvalidProblem, match="fit"):
        low_rank_losses(one, fit="best")
    with pytest.raises(MissingStatistics, match="groups"):
        two_sided_losses(one, metric="inputs", groups=2)
    with pytest.raises(MissingStatistics, match="input_moment"):
        two_sided_losses(bare, metric="loss")
    with pytest.raises(InvalidProblem, match="kernel axes"):
        spatial_losses(one)
