"""Factors of small definite blocks, in place and by plain loops."""

import numpy as np
from numba import njit


@njit(cache=True)
def factorise(A: np.ndarray, row: int, L: np.ndarray) -> None:
    """Write the lower Cholesky factor of the block of A from (row, row) on into L.

    Only the lower triangle of L (g, g) is written. A pivot of 1e-300 stands for one
    that rounding made negative.
    """
    g = L.shape[0]
    for i in range(g):
        for j in range(i + 1):
            total = A[row + i, row + j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            L[i, j] = np.sqrt(max(total, 1e-300)) if i == j else total / L[j, j]


@njit(cache=True)
def divide_row(L: np.ndarray, A: np.ndarray, row: int, column: int, y: np.ndarray):
    """Write L⁻¹a into y (g,), with a the entries of A's row from ``column`` on."""
    for i in range(L.shape[0]):
        total = A[row, column + i]
        for k in range(i):
            total -= L[i, k] * y[k]
        y[i] = total / L[i, i]


@njit(cache=True)
def inner_block(L: np.ndarray, E: np.ndarray, row: int, N: np.ndarray) -> float:
    """Write L⁻¹·E_jj·L⁻ᵀ into N (g, g), E_jj from (row, row) on; give its trace."""
    g = L.shape[0]
    for i in range(g):
        divide_row(L, E, row + i, row, N[i])
    trace = 0.0
    for j in range(g):
        for i in range(g):
            total = N[i, j]
            for k in range(i):
                total -= L[i, k] * N[k, j]
            N[i, j] = total / L[i, i]
        trace += N[j, j]
    return trace
