"""Bottlenecks: what they lose is what their map loses, and no such map loses less."""

import numpy as np
import pytest

from ccsolve.recipes.joint_bottlenecks import Bottleneck

N, C, K = 5, 4, 3


def case(seed: int, kernel: int = K) -> Bottleneck:
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((N, C * kernel))
    x = rng.standard_normal((C * kernel, 60)) * rng.uniform(0.3, 3.0, (C * kernel, 1))
    root = rng.standard_normal((N, N))
    return Bottleneck(weight, x @ x.T / 60, root @ root.T, C)


def lost(layer: Bottleneck, z: np.ndarray) -> float:
    off = layer.weight - z
    return float(np.trace(layer.curvature @ off @ layer.moments @ off.T))


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_is_that_of_the_map_which_has_the_ranks(seed: int):
    layer = case(seed)
    ins, outs = range(1, C + 1), range(1, N + 1)
    losses = layer.losses(ins, outs)
    for i, into in enumerate(ins):
        for o, out in enumerate(outs):
            z = layer.fitted(into, out)
            assert lost(layer, z) == pytest.approx(losses[i, o], abs=1e-9)
            by_channel = z.reshape(N, C, K).swapaxes(0, 1).reshape(C, -1)
            assert np.linalg.matrix_rank(z, tol=1e-9) <= out
            assert np.linalg.matrix_rank(by_channel, tol=1e-9) <= into


def test_more_channels_lose_no_more_and_all_nothing():
    losses = case(0).losses(range(1, C + 1), range(1, N + 1))
    assert (np.diff(losses, axis=0) <= 1e-9).all()
    assert (np.diff(losses, axis=1) <= 1e-9).all()
    assert losses[-1, -1] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("into", [2, C])
def test_with_the_directions_given_no_map_loses_less(into: int):
    layer, rng = case(1), np.random.default_rng(0)
    taken = np.kron(layer.directions[:, :into].T, np.eye(K))
    best = layer.losses([into], [2])[0, 0]
    z = layer.fitted(into, 2)
    core = np.linalg.lstsq(taken.T, z.T, rcond=None)[0].T
    left = np.linalg.svd(core)[0]
    for _ in range(50):
        step = 10.0 ** rng.uniform(-4, 0)
        rows = left[:, :2] + step * rng.standard_normal((N, 2))
        # The best map with these two output directions is no better, either.
        root = layer.root @ rows
        h = taken @ layer.moments @ taken.T
        wanted = layer.root @ layer.weight @ layer.moments @ taken.T
        fitted = np.linalg.lstsq(root, wanted, rcond=None)[0] @ np.linalg.inv(h)
        assert lost(layer, rows @ fitted @ taken) >= best - 1e-9


def test_what_hardly_counts_or_varies_is_no_obstacle():
    layer = case(2)
    flat = np.diag([1.0, 1.0, 0.0, 0.0, 0.0])
    moments = layer.moments.copy()
    moments[:K] = moments[:, :K] = 0.0
    moments += 1e-9 * np.eye(C * K)
    z = Bottleneck(layer.weight, moments, flat, C).fitted(2, 2)
    assert np.isfinite(z).all()
    nothing = Bottleneck(layer.weight, layer.moments, np.zeros((N, N)), C)
    assert np.isfinite(nothing.fitted(1, 1)).all()
