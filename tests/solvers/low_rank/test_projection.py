"""Projections: never worse than the TT-SVD, monotone when warm, and watched."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ccsolve.problems.tensor_formats import dense, ranks_of
from ccsolve.solvers.low_rank.projecting.steps import LOST, SURE_CALLS
from ccsolve.solvers.low_rank.projection import Projected, project

CASES = [
    ("svd", (6, 8), 3),
    ("svd", (8, 6), 6),
    ("svd", (1, 7), 1),
    ("tt", (6, 5, 7), (3, 4)),
    ("tt", (8, 4, 9, 4, 8), (8, 9, 9, 8)),
    ("tt", (4, 4, 4, 4), (2, 5, 2)),
    ("tt", (4, 4, 4, 4), (2, 8, 4)),
    ("tt", (1, 6, 1, 5, 1), (1, 3, 3, 1)),
    ("tt", (5,), ()),
    ("tt", (1, 1, 1), 1),
    ("tucker", (6, 3, 3, 8), (3, 4)),
    ("tucker", (6, 3, 3, 8), (3, 3, 2, 4)),
    ("tucker", (7, 8), (3, 3)),
    ("tucker", (7, 1, 8), (4, 1, 4)),
    ("tucker", (6, 7, 5), 2),
    ("tucker", (5,), (1,)),
]
RINGS = [
    ("tr", (4, 5, 6), 2),
    ("tr", (4, 5, 6, 3), (2, 3, 2, 1)),
    ("tr", (6, 5, 4), (1, 2, 3)),
    ("tr", (1, 5, 4), (2, 2, 3)),
]
Case = tuple[str, tuple[int, ...], Any]
every = pytest.mark.parametrize("case", CASES + RINGS, ids=str)
bounded = pytest.mark.parametrize("case", CASES, ids=str)
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def tensor(modes: tuple[int, ...], dtype: type = np.float64, seed: int = 0):
    return np.random.default_rng(seed).standard_normal(modes).astype(dtype)


def distance(T: np.ndarray, p: Projected) -> float:
    return float(np.linalg.norm(T.astype(np.float64) - p.tensor))


def tt_svd_error(T: np.ndarray, ranks: Sequence[int]) -> float:
    """Give the error of the published loop: a numpy SVD at each bond."""
    rest, before, cores = T.astype(np.float64), 1, []
    for mode, rank in zip(T.shape, ranks, strict=False):
        P, s, Q = np.linalg.svd(rest.reshape(before * mode, -1), full_matrices=False)
        rank = min(rank, len(s))
        cores.append(P[:, :rank].reshape(before, mode, rank))
        rest, before = s[:rank, None] * Q[:rank], rank
    cores.append(rest.reshape(before, T.shape[-1], 1))
    return float(np.linalg.norm(T - dense("tt", cores, T.shape)))


def hosvd_error(T: np.ndarray, ranks: Sequence[int]) -> float:
    core = T.astype(np.float64)
    for k, rank in enumerate(ranks):
        rows = np.moveaxis(core, k, 0).reshape(core.shape[k], -1)
        U = np.linalg.svd(rows, full_matrices=False)[0][:, :rank]
        core = np.moveaxis(np.tensordot(U @ U.T, core, (1, k)), 0, k)
    return float(np.linalg.norm(T - core))


@every
@TYPES
def test_factors_and_errors_are_those_of_the_tensor(case: Case, dtype: type):
    format, modes, ranks = case
    T, p = tensor(modes, dtype), None
    for step in range(4):
        p = project(T, format, ranks, warm=p)
        assert p.exact == (step == 0) and p.age == step
        assert p.tensor.dtype == dtype and p.tensor.shape == modes
        assert ranks_of(format, p.factors) == p.ranks
        Z = dense(format, p.factors, modes)
        assert np.allclose(Z, p.tensor, atol=1e-5)
        relative = distance(T, p) / float(np.linalg.norm(T))
        assert p.error == pytest.approx(relative, rel=1e-3, abs=1e-6)


@bounded
@TYPES
def test_never_worse_than_the_svd_chain(case: Case, dtype: type):
    format, modes, ranks = case
    T = tensor(modes, dtype, seed=1)
    p = project(T, format, ranks)
    published = hosvd_error if format == "tucker" else tt_svd_error
    allowed = published(T, p.ranks)
    slack = 20 * np.finfo(dtype).eps * float(np.linalg.norm(T))
    assert distance(T, p) <= allowed + slack
    assert p.floor <= p.error
    for _ in range(3):
        p = project(T, format, ranks, warm=p)
        assert distance(T, p) <= allowed + slack


@bounded
def test_the_floor_is_the_largest_tail_or_less(case: Case):
    format, modes, ranks = case
    T = tensor(modes, seed=2)
    p = project(T, format, ranks)
    tails = [0.0]
    if format == "tucker":
        unfolded = [np.moveaxis(T, k, 0).reshape(m, -1) for k, m in enumerate(modes)]
    else:
        cut = [int(np.prod(modes[:k])) for k in range(1, len(modes))]
        unfolded = [T.reshape(rows, -1) for rows in cut]
    for A, rank in zip(unfolded, p.ranks, strict=True):
        values = np.linalg.svd(A, compute_uv=False)
        tails.append(float(np.linalg.norm(values[rank:])))
    assert p.floor <= max(tails) / float(np.linalg.norm(T)) + 1e-7


@every
def test_warm_steps_do_not_raise_the_error(case: Case):
    format, modes, ranks = case
    T = tensor(modes, seed=3)
    p = project(T, format, ranks)
    # A ring's ridge is at the level of rounding, so that its root is no error.
    slack = 1e-6 if format == "tr" else 1e-11
    for _ in range(SURE_CALLS):
        before, p = p, project(T, format, ranks, warm=p)
        assert not p.exact
        assert distance(T, p) <= distance(T, before) + slack
    last = project(T, format, ranks, warm=p)
    assert last.age == 0
    assert distance(T, last) <= distance(T, p) + slack


@bounded
@TYPES
def test_warm_is_near_cold_on_perturbed_tensors(case: Case, dtype: type):
    format, modes, ranks = case
    rng = np.random.default_rng(4)
    T, p = tensor(modes, dtype, seed=4), None
    for _ in range(8):
        noise = rng.standard_normal(modes).astype(dtype)
        T = T + dtype(0.02) * noise
        p = project(T, format, ranks, warm=p)
        cold = project(T, format, ranks)
        assert distance(T, p) <= 1.005 * distance(T, cold) + 1e-5


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize(("format", "ranks"), [("svd", 2), ("tt", (2, 2)), ("tr", 2)])
def test_a_lost_direction_is_caught(
    format: str, ranks: int | Sequence[int], noise: float
):
    """What a warm step cannot see without noise, being orthogonal to all it holds."""
    modes = (9, 40) if format == "svd" else (9, 4, 10)
    parts = [np.zeros(modes) for _ in range(3)]
    for k, part in enumerate(parts):
        part[(k, k + 3) if format == "svd" else (k, k, k)] = 1.0
    small = noise * np.random.default_rng(5).standard_normal(modes)
    p = project(5 * parts[0] + 4 * parts[1] + small, format, ranks)
    T = 5 * parts[0] + 4 * parts[2] + small
    p = project(T, format, ranks, warm=p)
    assert p.exact or noise
    best = distance(T, project(T, format, ranks))
    assert distance(T, p) ** 2 <= best**2 + LOST * p.captured


def test_a_smaller_or_noisier_tensor_is_no_loss():
    rng = np.random.default_rng(6)
    T = rng.standard_normal((12, 3)) @ rng.standard_normal((3, 20))
    p = project(T, "svd", 3)
    p = project(0.5 * T, "svd", 3, warm=p)
    assert not p.exact
    noisy = 0.5 * T + rng.standard_normal(T.shape)
    assert not project(noisy, "svd", 3, warm=p).exact


@TYPES
def test_nearly_exact_tensors_keep_their_digits(dtype: type):
    """The Gram matrix alone would lose half of them."""
    rng = np.random.default_rng(7)
    cores = [rng.standard_normal(s) for s in [(1, 12, 4), (4, 9, 5), (5, 14, 1)]]
    T = dense("tt", cores, (12, 9, 14))
    noise = 1e3 * np.finfo(dtype).eps * float(np.abs(T).max())
    T = (T + noise * rng.standard_normal(T.shape)).astype(dtype)
    p = project(T, "tt", (4, 5))
    allowed = tt_svd_error(T, (4, 5))
    rounding = 20 * np.finfo(dtype).eps * float(np.linalg.norm(T))
    assert distance(T, p) <= 1.01 * allowed + rounding
    p = project(T, "tt", (4, 5), warm=p)
    assert distance(T, p) <= 1.01 * allowed + rounding
    assert p.error == pytest.approx(distance(T, p) / np.linalg.norm(T), rel=1e-2)


@every
@TYPES
def test_dependent_and_zero_tensors_are_exact(case: Case, dtype: type):
    format, modes, ranks = case
    first = tensor(modes[:-1], dtype, seed=8)[..., None]
    ones = np.ones((1,) * len(modes[:-1]) + modes[-1:], dtype)
    for T in (np.zeros(modes, dtype), ones * np.ones_like(first)):
        p = None
        for _ in range(3):
            p = project(T, format, ranks, warm=p)
            assert distance(T, p) <= 1e-5 * float(np.linalg.norm(T))
            assert np.isfinite(p.error)
            assert all(np.isfinite(factor).all() for factor in p.factors)


def test_duplicate_columns():
    T = tensor((10, 6), seed=9)
    T = np.concatenate([T, T], axis=1)
    p = None
    for _ in range(3):
        p = project(T, "svd", 8, warm=p)
        assert distance(T, p) < 1e-12


@every
@TYPES
@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_scales_near_the_limits_of_float32(case: Case, dtype: type, scale: float):
    format, modes, ranks = case
    T, p, q = tensor(modes, dtype, seed=10), None, None
    for _ in range(3):
        p = project(T, format, ranks, warm=p)
        q = project(T * dtype(scale), format, ranks, warm=q)
        # Sweeps of a ring that may still fall far take rounding along.
        rel, least = (1e-2, 1e-4) if format == "tr" else (1e-3, 1e-6)
        assert q.error == pytest.approx(p.error, rel=rel, abs=least)
        assert q.exact == p.exact
        Z = dense(format, q.factors, modes)
        assert np.allclose(Z / dtype(scale), q.tensor / dtype(scale), atol=1e-4)


@every
def test_out_holds_the_tensor_and_inputs_are_left_alone(case: Case):
    format, modes, ranks = case
    T = tensor(modes, seed=11)
    kept, out = T.copy(), np.empty(modes)
    p = project(T, format, ranks, out=out)
    p = project(T, format, ranks, warm=p, out=out)
    assert np.shares_memory(p.tensor, out)
    Z, factors = out.copy(), [factor.copy() for factor in p.factors]
    assert np.array_equal(T, kept)
    out[...] = np.nan
    q = project(T, format, ranks, warm=p)
    assert np.isfinite(q.tensor).all() and np.isfinite(Z).all()
    for before, after in zip(factors, p.factors, strict=True):
        assert np.array_equal(before, after)


def test_views_and_integers_are_taken():
    T = tensor((8, 6), seed=12).T
    assert np.allclose(project(T, "svd", 2).tensor, project(T.copy(), "svd", 2).tensor)
    assert project(np.eye(3, dtype=np.int64), "svd", 3).tensor.dtype == np.float64
    half = project(np.eye(3, dtype=np.float16), "svd", 3)
    assert half.tensor.dtype == np.float64


def test_threads_do_not_meet():
    tensors = [tensor((16, 9, 16), np.float32, seed) for seed in range(4)]
    alone = [project(T, "tt", (5, 6)) for T in tensors]
    alone = [
        project(T, "tt", (5, 6), warm=p) for T, p in zip(tensors, alone, strict=True)
    ]
    found: dict[int, Projected] = {}

    def work(k: int) -> None:
        p = project(tensors[k], "tt", (5, 6))
        found[k] = project(tensors[k], "tt", (5, 6), warm=p)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, p in enumerate(alone):
        assert np.array_equal(found[k].tensor, p.tensor)
