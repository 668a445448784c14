"""The bound that multipliers of the low-rank program prove, in two matrices of n²."""

import math

import numpy as np

from ccsolve.linalg.rounding import EPS, TINY, gamma
from ccsolve.linalg.spectrum import eigenvalue_floor, frobenius_norm
from ccsolve.solvers.selection.relaxing.low_rank_budget import (
    constant_of,
    diagonal_of,
)
from ccsolve.solvers.selection.relaxing.low_rank_cuts import Penalties
from ccsolve.solvers.selection.relaxing.low_rank_program import LowRankProgram

ROWS = 256
"""Rows that are written at a time, so that no third matrix is needed."""


def proven_bound(
    program: LowRankProgram, penalties: Penalties, rows: np.ndarray, value: float
) -> float:
    """Give the bound that the multipliers λ = ``rows`` (n,) of ‖u_i‖ = 1 prove.

    With L = C - N + the matrix of the budget's multipliers (`low_rank_budget`),
    zᵀLz + its constant ≤ zᵀCz at every feasible z. With ``keep`` = k and any y,

        zᵀLz = zᵀ(L + ½(yeᵀ + eyᵀ) - k·Diag(y))z ≥ k·λ_min(·),

    for eᵀz = zᵀz = k, and y = (2λ - value/k)/k is the dual of a stationary U: the
    bound is ``value`` there. Without ``keep``, with a = -2λ, σ = -value, w = (1, z):

        zᵀLz = wᵀSw - σ ≥ ‖w‖²·λ_min(S) - σ,  S = [[σ, -½aᵀ], [-½a, L + Diag(a)]].

    Whatever λ and value are, the bound holds; λ_min is certified (`eigenvalue_floor`),
    and what rounding may have changed in forming the matrix is subtracted. O(n³), and
    O(mn²) for a factor; the matrix and one copy are in memory beside the program.
    """
    if not (np.isfinite(rows).all() and math.isfinite(value)):
        return -math.inf
    added = 0.0
    if penalties.prices is not None:
        added = program.scale * constant_of(program, penalties.prices)
    if program.keep is None:
        border, offset = -2.0 * program.scale * rows, -program.scale * value
        matrix, size = _bordered(program, penalties, border, offset)
        floor = min(0.0, eigenvalue_floor(matrix) - _forming(program, size))
        most = 1.0 + program.most
    else:
        y = program.scale * (2.0 * rows - value / program.keep) / program.keep
        matrix, size = _on_plane(program, penalties, y)
        floor, offset = eigenvalue_floor(matrix) - _forming(program, size), 0.0
        most = float(program.keep)
    parts = program.constant, added, -offset, most * floor
    terms = sum(abs(part) for part in parts)
    sums = gamma(program.n + 8) * abs(added)
    bound = sum(parts) - 8.0 * EPS * terms - sums - most * program.n * TINY
    return bound if math.isfinite(bound) else -math.inf


def _bordered(
    program: LowRankProgram, penalties: Penalties, a: np.ndarray, offset: float
) -> tuple[np.ndarray, float]:
    """Give S (n + 1, n + 1), and the size of what was added up in it."""
    matrix = np.empty((program.n + 1, program.n + 1))
    matrix[0, 0] = offset
    matrix[0, 1:] = matrix[1:, 0] = -0.5 * a
    size = _write_form(program, penalties, matrix[1:, 1:])
    _add_to_diagonal(matrix[1:, 1:], a)
    return matrix, size + frobenius_norm(a)


def _on_plane(
    program: LowRankProgram, penalties: Penalties, y: np.ndarray
) -> tuple[np.ndarray, float]:
    """Give L + ½(yeᵀ + eyᵀ) - k·Diag(y), and the size of what was added up in it."""
    assert program.keep is not None
    matrix = np.empty((program.n, program.n))
    size = _write_form(program, penalties, matrix)
    half = 0.5 * y
    for block in _blocks(program.n):
        matrix[block] += half
        matrix[block] += half[block, None]
    _add_to_diagonal(matrix, -program.keep * y)
    reach = program.keep + math.sqrt(program.n)
    return matrix, size + reach * frobenius_norm(y)


def _write_form(
    program: LowRankProgram, penalties: Penalties, out: np.ndarray
) -> float:
    """Write L into ``out`` (n, n); give a bound of the norms of its parts."""
    size = frobenius_norm(program.linear)
    if program.factor is None:
        assert program.matrix is not None
        out[:] = program.matrix
        size += frobenius_norm(program.matrix)
    else:
        for block in _blocks(program.n):
            out[block] = program.factor[:, block].T @ program.factor
    _add_to_diagonal(out, program.linear)
    if penalties.pairs is not None:
        for block in _blocks(program.n):
            subtracted = program.scale * penalties.pairs[block].astype(np.float64)
            out[block] -= subtracted
            size += frobenius_norm(subtracted)
    if penalties.prices is not None:
        size += _add_prices(program, program.scale * penalties.prices, out)
    return size


def _add_prices(program: LowRankProgram, prices: np.ndarray, out: np.ndarray) -> float:
    c, difference = program.cost, prices[0] - prices[1]
    for block in _blocks(program.n):
        out[block] += 0.5 * difference[block, None] * c
        out[block] += 0.5 * c[block, None] * difference
    _add_to_diagonal(out, diagonal_of(program, prices))
    reach = frobenius_norm(c) + program.limit
    return 2.0 * reach * frobenius_norm(prices) + 2.0 * _saved(program, prices)


def _saved(program: LowRankProgram, prices: np.ndarray) -> float:
    """Give an upper bound of T·‖c‖, T = Σ save."""
    return float(prices[1].sum()) * frobenius_norm(program.cost)


def _forming(program: LowRankProgram, size: float) -> float:
    """Bound, in the Frobenius norm, what rounding changed in forming the matrix.

    An entry is a sum of at most 12 terms and products, in parts whose norms add up to
    ``size``; an entry of FᵀF is one of m products, with norms below ‖F‖².
    """
    return gamma(16) * size + program.error + program.n * program.n * TINY


def _add_to_diagonal(matrix: np.ndarray, values: np.ndarray) -> None:
    matrix[np.diag_indices(values.size)] += values


def _blocks(n: int) -> list[slice]:
    return [slice(a, min(a + ROWS, n)) for a in range(0, n, ROWS)]
