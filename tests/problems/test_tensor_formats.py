"""Formats: contraction against einsum, exact factors, ranks and their room."""

import math

import numpy as np
import pytest

from ccsolve.problems.exact_factors import exact_factors, zero_factors
from ccsolve.problems.tensor_formats import (
    FORMATS,
    bonds,
    checked_factors,
    dense,
    entries,
    factor_shapes,
    fitting_ranks,
    full_ranks,
    ranks_of,
)

MODES = [(3, 4, 5), (2, 3, 2, 3, 2), (30, 2, 3), (2, 3, 30), (2, 30, 3), (1, 4, 1)]
MODES += [(5,), (4, 6), (6, 4), (1, 1)]
CASES = [
    (format, modes)
    for format in FORMATS
    for modes in MODES
    if format != "svd" or len(modes) == 2
]
cases = pytest.mark.parametrize(("format", "modes"), CASES)


def contracted(format: str, x: list[np.ndarray], d: int) -> np.ndarray:
    """Give Z by one einsum over all factors."""
    modes, ranks = "abcdefgh"[:d], "ijklmnop"
    if format == "svd":
        return x[0] @ x[1]
    if format == "tucker":
        terms = [ranks[:d], *(m + r for m, r in zip(modes, ranks, strict=False))]
    else:
        terms = [ranks[k] + modes[k] + ranks[(k + 1) % d] for k in range(d)]
    return np.einsum(",".join(terms) + "->" + modes, *x)


def drawn(format: str, modes: tuple[int, ...], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    ranks = tuple(int(rng.integers(1, r + 1)) for r in full_ranks(format, modes))
    return [rng.standard_normal(s) for s in factor_shapes(format, modes, ranks)]


@cases
def test_contraction_is_einsums(format: str, modes: tuple[int, ...]):
    for seed in range(5):
        x = drawn(format, modes, seed)
        Z = dense(format, x, modes)
        np.testing.assert_allclose(Z, contracted(format, x, len(modes)), atol=1e-9)


@cases
def test_ranks_and_shapes_agree(format: str, modes: tuple[int, ...]):
    x = drawn(format, modes, 7)
    ranks = ranks_of(format, checked_factors(format, modes, x))
    assert [part.shape for part in x] == factor_shapes(format, modes, ranks)
    assert len(ranks) == bonds(format, modes)
    assert entries(format, modes, ranks) == tuple(part.size for part in x)


@cases
def test_exact_factors_are_so_to_the_last_bit(format: str, modes: tuple[int, ...]):
    for dtype in (np.float32, np.float64):
        T = np.random.default_rng(0).standard_normal(modes).astype(dtype)
        x = exact_factors(format, T)
        np.testing.assert_array_equal(dense(format, x, modes), T)
        assert {part.dtype for part in x} == {np.dtype(dtype)}
        assert not any(np.shares_memory(part, T) for part in x)
        full = full_ranks(format, modes)
        assert all(a <= b for a, b in zip(ranks_of(format, x), full, strict=True))


@cases
def test_zero_is_of_ranks_one(format: str, modes: tuple[int, ...]):
    x = zero_factors(format, modes, np.dtype(np.float32))
    assert not dense(format, x, modes).any()
    assert set(ranks_of(format, x)) <= {1}


@cases
def test_full_ranks_have_room_and_are_needed(format: str, modes: tuple[int, ...]):
    """No unfolding of a random tensor has less, and no rank is lowered further."""
    full = full_ranks(format, modes)
    if format != "tr":
        assert fitting_ranks(format, modes, full) == full
    T = np.random.default_rng(1).standard_normal(modes)
    for k, rank in enumerate(full):
        if format == "tucker":
            rows = np.moveaxis(T, k, 0).reshape(modes[k], -1)
        elif format == "tr":
            assert rank <= math.isqrt(T.size) or T.size == rank
            continue
        else:
            rows = T.reshape(math.prod(modes[: k + 1]), -1)
        assert np.linalg.matrix_rank(rows) == rank


@pytest.mark.parametrize(("format", "modes"), [c for c in CASES if c[0] != "svd"])
def test_lowered_ranks_hold_the_same_tensors(format: str, modes: tuple[int, ...]):
    """Ranks above their room are those of some unfolding that cannot be as large."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        full = full_ranks(format, modes)
        ranks = tuple(int(rng.integers(1, r + 1)) for r in full)
        fitting = fitting_ranks(format, modes, ranks)
        assert all(a <= b for a, b in zip(fitting, ranks, strict=True))
        assert fitting_ranks(format, modes, fitting) == fitting
        shapes = factor_shapes(format, modes, ranks)
        Z = dense(format, [rng.standard_normal(s) for s in shapes], modes)
        for k, rank in enumerate(fitting if format != "tr" else ()):
            if format == "tucker":
                rows = np.moveaxis(Z, k, 0).reshape(modes[k], -1)
            else:
                rows = Z.reshape(math.prod(modes[: k + 1]), -1)
            assert np.linalg.matrix_rank(rows) <= rank
