"""Small factors against numpy's."""

import numpy as np
import pytest

from ccsolve.kernels.small_blocks import divide_row, factorise, inner_block


@pytest.mark.parametrize("g", [1, 2, 5])
def test_small_blocks_are_their_plain_twins(g: int):
    rng = np.random.default_rng(g)
    rows = rng.standard_normal((30, 3 * g))
    A, E = rows.T @ rows, rng.standard_normal((3 * g, 3 * g))
    E = E @ E.T
    block = slice(g, 2 * g)
    L, y, N = np.zeros((g, g)), np.empty(g), np.empty((g, g))
    factorise(A, g, L)
    np.testing.assert_allclose(L, np.linalg.cholesky(A[block, block]))
    divide_row(L, A, 0, g, y)
    np.testing.assert_allclose(y, np.linalg.solve(L, A[0, block]))
    trace = inner_block(L, E, g, N)
    inner = np.linalg.solve(L, np.linalg.solve(L, E[block, block]).T)
    np.testing.assert_allclose(N, inner, atol=1e-12)
    assert trace == pytest.approx(np.trace(inner))


def test_a_pivot_that_rounding_made_negative_stays_positive():
    L = np.zeros((1, 1))
    factorise(np.array([[-1e-18]]), 0, L)
    assert L[0, 0] > 0
