"""Tails of spectra: the least error of every rank, in three metrics."""

from dataclasses import replace

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.sensitivity import low_rank_losses, low_rank_rates
from ccsolve.statistics import Layer

SHAPES = [(4, 3, 2), (7, 2, 1), (3, 9, 1), (1, 4, 3), (5, 5, 1)]


def layer(n: int, c: int, s: int, *, samples: int = 40, seed: int = 0) -> Layer:
    """Give a layer on drawn inputs; fewer samples than columns: a singular moment."""
    rng = np.random.default_rng(seed)
    d = c * s
    x = rng.standard_normal((samples, d)) @ rng.standard_normal((d, d)) + 1.0
    errors = rng.standard_normal((2 * n, n))
    return Layer(
        "layer",
        "conv",
        rng.standard_normal((n, c, s)),
        input_mean=x.mean(axis=0),
        input_moment=x.T @ x / samples,
        output_curvature=errors.T @ errors,
    )


def matrices(one: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = len(one.weight)
    assert one.input_moment is not None
    assert one.output_curvature is not None
    return one.weight.reshape(n, -1), one.input_moment, one.output_curvature


@pytest.mark.parametrize("shape", SHAPES)
def test_tails_of_the_weights(shape: tuple[int, int, int]):
    one = layer(*shape)
    weight, _, _ = matrices(one)
    u, sigma, vt = np.linalg.svd(weight, full_matrices=False)
    losses = low_rank_losses(one, metric="weights")
    rank = min(weight.shape)
    assert losses.shape == (rank + 1,)
    for gone in range(rank + 1):
        left = rank - gone
        rest = (u[:, :left] * sigma[:left]) @ vt[:left]
        assert losses[gone] == pytest.approx(np.sum((rest - weight) ** 2), abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("samples", [40, 2])
@pytest.mark.parametrize("metric", ["inputs", "loss"])
def test_whitened_tails_are_reached_and_not_beaten(
    shape: tuple[int, int, int], samples: int, metric: str
):
    """The best map of rank r projects on the leading directions of the outputs."""
    one = layer(*shape, samples=samples)
    weight, moment, curvature = matrices(one)
    n = len(weight)
    metric_matrix = np.eye(n) if metric == "inputs" else 0.5 * curvature
    values, vectors = np.linalg.eigh(metric_matrix)
    root = (vectors * np.sqrt(values)) @ vectors.T
    inverse = (vectors / np.sqrt(values)) @ vectors.T

    def error(rest: np.ndarray) -> float:
        off = rest - weight
        return float(np.trace(metric_matrix @ off @ moment @ off.T))

    losses = low_rank_losses(one, metric=metric)
    whitened = root @ weight @ moment @ weight.T @ root
    leading = np.linalg.eigh(whitened)[1][:, ::-1]
    rng = np.random.default_rng(1)
    size = losses.size - 1
    scale = losses[-1]
    assert error(np.zeros_like(weight)) == pytest.approx(scale)
    for gone in range(size + 1):
        u = leading[:, : size - gone]
        best = inverse @ u @ u.T @ root @ weight
        assert losses[gone] == pytest.approx(error(best), abs=1e-9 * scale)
        for _ in range(5):
            wild = rng.standard_normal((n, size - gone))
            fitted = wild @ np.linalg.lstsq(wild, weight, rcond=None)[0]
            assert error(fitted) >= losses[gone] - 1e-9 * scale


def test_losses_rise_from_nothing():
    for shape in SHAPES:
        for metric in ("weights", "inputs", "loss"):
            losses = low_rank_losses(layer(*shape), metric=metric)
            assert losses[0] == 0
            assert (np.diff(losses) >= 0).all()


def test_inputs_are_the_default_where_there_are_moments():
    one = layer(4, 3, 2)
    np.testing.assert_array_equal(
        low_rank_losses(one), low_rank_losses(one, metric="inputs")
    )
    bare = replace(one, input_moment=None)
    np.testing.assert_array_equal(
        low_rank_losses(bare), low_rank_losses(one, metric="weights")
    )


def test_rates_are_those_of_two_layers():
    rates = low_rank_rates(layer(4, 3, 2))
    expected = [0.0, 1 - 3 * 10 / 24, 1 - 2 * 10 / 24, 1 - 10 / 24, 1.0]
    np.testing.assert_allclose(rates, expected)
    assert low_rank_rates(layer(1, 4, 3)).tolist() == [0.0, 1.0]


def test_what_cannot_be_measured_is_refused():
    one = layer(4, 3, 2)
    with pytest.raises(InvalidProblem, match="metric = 'outputs'; expected one of wei"):
        low_rank_losses(one, metric="outputs")
    with pytest.raises(MissingStatistics, match="layers/layer: no input_moment"):
        low_rank_losses(replace(one, input_moment=None), metric="inputs")
    with pytest.raises(MissingStatistics, match="layers/layer: no output_curvature"):
        low_rank_losses(replace(one, output_curvature=None), metric="loss")
