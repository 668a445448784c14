"""The master program of cutting planes in a few multipliers: at most five rows."""

from typing import NamedTuple

import numpy as np
from numba import njit

_NUDGE, _TOLERANCE, _PIVOTS = 1e-9, 1e-11, 400


class Proposals(NamedTuple):
    """Choices of one option per layer, each of them a cut of the dual function.

    Attributes
    ----------
    losses : (P,) Σ losses of each.
    excess : (P, B) its costs less the limits: g(λ) ≤ loss + λᵀexcess.
    choices : (P, L) its options.
    weights : (P,) its share in the last master's mixture.
    """

    losses: np.ndarray
    excess: np.ndarray
    choices: np.ndarray
    weights: np.ndarray


@njit(cache=True)
def best_prices(proposals, count, ceiling, prices):
    """Maximise θ over λ ≥ 0 and θ ≤ ceiling under the first ``count`` cuts; give θ.

    Writes λ into ``prices`` and into ``weights`` the mixture of proposals that proves
    it: Σ w ≤ 1, Σ w·excess ≤ 0. That is the linear program of Dantzig and Wolfe (1960)
    with B + 1 rows, by the primal simplex method from the basis in which the ceiling
    and the slacks stand; the limits are nudged apart by 1e-9, for all are 0 here and
    every pivot would be degenerate. O(P·B + B²) for each pivot.
    """
    rows = prices.size + 1
    basis, inverse = _first_basis(rows, ceiling)
    values = _NUDGE * np.arange(1.0, rows + 1.0)
    values[rows - 1] = 1.0
    duals, column = np.empty(rows), np.empty(rows)
    for _ in range(_PIVOTS):
        _duals(proposals, basis, inverse, ceiling, duals)
        entering = _entering(proposals, count, ceiling, duals)
        if entering == -_LOST:
            break
        _column(proposals, entering, rows, inverse, column)
        leaving = _leaving(values, column)
        if leaving < 0:
            break
        basis[leaving] = entering
        _pivot(inverse, values, column, leaving)
    proposals.weights[:] = 0.0
    for row in range(rows):
        if basis[row] >= 0:
            proposals.weights[basis[row]] = max(values[row], 0.0)
    for b in range(rows - 1):
        prices[b] = max(-duals[b], 0.0)
    return duals[rows - 1]


_LOST = 1_000_000
"""Columns are numbered: proposals from 0, the ceiling -1, slack b as -2 - b."""


@njit(cache=True)
def _first_basis(rows, ceiling):
    basis = np.empty(rows, dtype=np.int64)
    for b in range(rows - 1):
        basis[b] = -2 - b
    basis[rows - 1] = -1
    return basis, np.eye(rows)


@njit(cache=True)
def _duals(proposals, basis, inverse, ceiling, duals):
    """Write y = c_Bᵀ·B⁻¹."""
    rows = duals.size
    duals[:] = 0.0
    for row in range(rows):
        cost = 0.0
        if basis[row] >= 0:
            cost = proposals.losses[basis[row]]
        elif basis[row] == -1:
            cost = ceiling
        for i in range(rows):
            duals[i] += cost * inverse[row, i]


@njit(cache=True)
def _entering(proposals, count, ceiling, duals):
    """Give the column of most negative reduced cost, -_LOST if none is."""
    budgets = duals.size - 1
    theta = duals[budgets]
    scale = 1.0 + abs(ceiling) + abs(theta)
    least, best = -_TOLERANCE * scale, -_LOST
    for i in range(count):
        value = proposals.losses[i] - theta
        for b in range(budgets):
            value -= duals[b] * proposals.excess[i, b]
        if value < least:
            least, best = value, i
    if ceiling - theta < least:
        least, best = ceiling - theta, -1
    for b in range(budgets):
        if -duals[b] < least:
            least, best = -duals[b], -2 - b
    return best


@njit(cache=True)
def _column(proposals, entering, rows, inverse, column):
    """Write B⁻¹ times the entering column."""
    for i in range(rows):
        if entering >= 0:
            value = inverse[i, rows - 1]
            for b in range(rows - 1):
                value += inverse[i, b] * proposals.excess[entering, b]
        elif entering == -1:
            value = inverse[i, rows - 1]
        else:
            value = inverse[i, -2 - entering]
        column[i] = value


@njit(cache=True)
def _leaving(values, column):
    """Give the row that reaches 0 first, of the largest pivot; -1 if none falls."""
    best, least = -1, np.inf
    for row in range(values.size):
        if column[row] > 1e-12:
            ratio = max(values[row], 0.0) / column[row]
            nearly = least * (1.0 - 1e-12)
            if ratio < nearly or (ratio <= least and column[row] > column[best]):
                best, least = row, ratio
    return best


@njit(cache=True)
def _pivot(inverse, values, column, leaving):
    rows = values.size
    step = values[leaving] / column[leaving]
    for i in range(rows):
        inverse[leaving, i] /= column[leaving]
    for row in range(rows):
        if row != leaving:
            values[row] -= step * column[row]
            for i in range(rows):
                inverse[row, i] -= column[row] * inverse[leaving, i]
    values[leaving] = step
