"""The projection by optimality conditions, exact and followed."""

import numpy as np
import pytest

from ccsolve.solvers.selection.relaxing.projection import (
    FOLLOWED_FROM,
    projected,
    simplex_shift,
)


def symmetric(n: int, seed: int) -> np.ndarray:
    A = np.random.default_rng(seed).standard_normal((n, n))
    return A + A.T


def test_the_simplex_shift_gives_the_total():
    rng = np.random.default_rng(0)
    for total in (0.5, 3.0, 40.0):
        values = np.sort(rng.standard_normal(12))
        shift = simplex_shift(values, total)
        assert np.maximum(values - shift, 0.0).sum() == pytest.approx(total)


@pytest.mark.parametrize("is_exact", [False, True])
def test_no_matrix_of_the_set_is_nearer(is_exact: bool):
    rng = np.random.default_rng(1)
    for total in (0.1, 4.0, 500.0):
        V = symmetric(9, 3)
        P = projected(V, total, is_exact, None).P
        trace = np.trace(P)
        assert np.linalg.eigvalsh(P).min() >= -1e-12
        assert trace == pytest.approx(total) if is_exact else trace <= total + 1e-9
        # Obtuse angle: (V - P)'(other - P) is at most 0 for every other matrix.
        for _ in range(20):
            W = rng.standard_normal((9, 3))
            other = W @ W.T
            scale = 1.0 if is_exact else rng.random()
            other *= scale * total / np.trace(other)
            assert ((V - P) * (other - P)).sum() <= 1e-9 * total


def test_following_ends_at_the_exact_projection():
    n = FOLLOWED_FROM + 20
    V, total = symmetric(n, 0), 30.0
    exact, leading = projected(V, total, True, None)
    assert leading is not None and leading.shape[1] < n / 2
    # Begun where another matrix led, the same V again and again.
    leading = projected(V + 0.1 * symmetric(n, 5), total, True, None).leading
    errors = []
    for _ in range(30):
        P, leading = projected(V, total, True, leading)
        errors.append(float(np.linalg.norm(P - exact)))
        assert np.trace(P) == pytest.approx(total)
    assert errors[0] > errors[5] > errors[-1]
    assert errors[-1] < 1e-3 * np.linalg.norm(exact)


def test_small_or_full_ranks_are_not_followed():
    assert projected(symmetric(20, 0), 3.0, True, None).leading is None
    wide = projected(symmetric(FOLLOWED_FROM, 0), 1e6, True, None)
    assert wide.leading is None
