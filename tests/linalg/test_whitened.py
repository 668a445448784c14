"""Whitened pairs: as the Cholesky recipe, and where it does not exist."""

import numpy as np
import pytest

from ccsolve.linalg.whitened import whitened_pair, whitened_step


def loss(W: np.ndarray, C: np.ndarray, Z: np.ndarray) -> float:
    D = (W - Z).astype(np.float64)
    return float(np.sqrt(max(0.0, np.vdot(D @ C, D))))


def moments(n: int, samples: int, seed: int) -> np.ndarray:
    X = np.random.default_rng(seed).standard_normal((samples, n)) / np.arange(1, n + 1)
    return X.T @ X / samples


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (9, 9)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_cholesky_and_svd(shape: tuple[int, int], dtype: type):
    W = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    C = moments(shape[1], 60, 1)
    L = np.linalg.cholesky(C)
    values = np.linalg.svd(W.astype(np.float64) @ L, compute_uv=False)
    for rank in (1, 3, 7):
        left, right = whitened_pair(W, C.astype(dtype), rank)
        best = float(np.linalg.norm(values[rank:]))
        assert left.dtype == right.dtype == dtype
        assert loss(W, C, left @ right) == pytest.approx(best, rel=2e-3)


@pytest.mark.parametrize("shape", [(8, 20), (20, 8)])
def test_singular_covariances(shape: tuple[int, int]):
    W = np.random.default_rng(2).standard_normal(shape)
    C = moments(shape[1], 4, 3)
    values, vectors = np.linalg.eigh(C)
    root = vectors * np.sqrt(np.maximum(values, 0))
    tails = np.linalg.svd(W @ root, compute_uv=False)
    left, right = whitened_pair(W, C, 2)
    best = float(np.linalg.norm(tails[2:]))
    assert loss(W, C, left @ right) == pytest.approx(best)
    left, right = whitened_pair(W, C, 4)
    assert loss(W, C, left @ right) <= 1e-7 * np.linalg.norm(tails)
    assert loss(W, 0 * C, np.prod(whitened_pair(W, 0 * C, 1)[0].shape) * W) == 0.0


def test_float32_where_the_tail_is_far_down():
    W = np.random.default_rng(4).standard_normal((20, 40)).astype(np.float32)
    X = np.random.default_rng(5).standard_normal((90, 40)) * 3.0 ** -np.arange(40.0)
    C = (X.T @ X).astype(np.float32)
    values, vectors = np.linalg.eigh(C.astype(np.float64))
    root = vectors * np.sqrt(np.maximum(values, 0))
    tails = np.linalg.svd(W.astype(np.float64) @ root, compute_uv=False)
    left, right = whitened_pair(W, C, 9)
    rounding = 10 * np.finfo(np.float32).eps * float(np.linalg.norm(tails))
    Z = left.astype(np.float64) @ (left.astype(np.float64).T @ W)
    assert right.shape == (9, 40)
    assert np.linalg.norm((W - Z) @ root) <= 1.05 * np.linalg.norm(tails[9:]) + rounding


def test_steps_do_not_raise_the_loss_and_end_at_the_best():
    rng = np.random.default_rng(6)
    W, C = rng.standard_normal((12, 30)), moments(30, 80, 7)
    left = np.linalg.qr(rng.standard_normal((12, 3)))[0]
    best = loss(W, C, np.matmul(*whitened_pair(W, C, 3)))
    last = loss(W, C, left @ (left.T @ W))
    for _ in range(60):
        left, right = whitened_step(W, C, left)
        value = loss(W, C, left @ right)
        assert value <= last * (1 + 1e-12)
        last = value
    assert last == pytest.approx(best, rel=1e-3)
