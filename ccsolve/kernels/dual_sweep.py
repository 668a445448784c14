"""Exact coordinate steps of the dual of a lifted program, on the residual matrix.

The dual matrix is M = C + A*(y) - S - Σ t·G - (budget rows), and R = σ(T - M) is what
separates it from a target T. Each function moves some multipliers to where ‖R‖_F is
least and keeps R; multipliers of inequalities stay at or above 0. R is symmetric and
all of it is written. ``keep`` is 0 where the lifted vector is (1, x), else it is x.
"""

import numpy as np
from numba import njit

APEX, ALL, UNDER, EITHER = 0, 1, 2, 3
"""Kinds of cuts, as functions that are at least 0:

APEX  x_i - x_i x_j - x_i x_k + x_j x_k,
ALL   1 - x_i - x_j - x_k + x_i x_j + x_i x_k + x_j x_k,
UNDER x_i - x_i x_j,
EITHER 1 - x_i - x_j + x_i x_j.
"""


@njit(cache=True)
def equalities(R, keep, sigma, y):
    """Meet Xe = keep·diag X, or X_0i = X_ii and X_00 = 1 (whose multiplier is y[0])."""
    if keep == 0:
        _unit_equalities(R, sigma, y)
        return
    n = R.shape[0]
    own = 0.5 * n - 2.0 * keep + float(keep) * keep
    along = own + 0.5 * n
    excess = np.empty(n)
    total = 0.0
    for i in range(n):
        row = 0.0
        for j in range(n):
            row += R[i, j]
        excess[i] = row - keep * R[i, i]
        total += excess[i]
    # (own·I + ½ee')⁻¹: along e, and across it.
    mean = total / n
    shift = mean / along if along > 1e-9 else 0.0
    scale = 1.0 / own if own > 1e-9 else 0.0
    for i in range(n):
        excess[i] = shift + scale * (excess[i] - mean)
        y[i] += excess[i] / sigma
    for i in range(n):
        half = 0.5 * excess[i]
        for j in range(n):
            R[i, j] -= half + 0.5 * excess[j]
        R[i, i] += keep * excess[i]


@njit(cache=True)
def _unit_equalities(R, sigma, y):
    y[0] -= (R[0, 0] - 1.0) / sigma
    R[0, 0] = 1.0
    for i in range(1, R.shape[0]):
        # The row E_ii - ½(E_0i + E_i0) has the squared norm 3/2.
        step = (R[i, i] - R[0, i]) / 1.5
        y[i] += step / sigma
        R[i, i] -= step
        R[0, i] += 0.5 * step
        R[i, 0] = R[0, i]


@njit(cache=True)
def products(R, first, sigma, S):
    """Meet X_ij ≥ 0 for i ≠ j, both at least ``first``, with the multipliers S."""
    n = R.shape[0]
    for i in range(first, n):
        for j in range(first, i):
            held = sigma * S[i, j]
            step = max(-R[i, j], -held)
            if step != 0.0:
                value = (held + step) / sigma
                S[i, j] = value
                S[j, i] = value
                R[i, j] += step
                R[j, i] = R[i, j]


@njit(cache=True)
def cut_steps(R, sigma, kinds, places, t):
    """Meet the cuts one after the other, with the multipliers t."""
    for c in range(kinds.size):
        value, square = cut_value(R, kinds[c], places[c])
        held = sigma * t[c]
        step = max(-value / square, -held)
        if step != 0.0:
            t[c] = (held + step) / sigma
            add_cut(R, kinds[c], places[c], step)


@njit(cache=True)
def cut_value(X, kind, place):
    """Give the cut's function at X, and the squared norm of its matrix."""
    i, j, k = place[0], place[1], place[2]
    if kind == APEX:
        return X[i, i] - X[i, j] - X[i, k] + X[j, k], 2.5
    if kind == ALL:
        pairs = X[i, j] + X[i, k] + X[j, k]
        return 1.0 - X[i, i] - X[j, j] - X[k, k] + pairs, 4.5
    if kind == UNDER:
        return X[i, i] - X[i, j], 1.5
    return 1.0 - X[i, i] - X[j, j] + X[i, j], 2.5


@njit(cache=True)
def add_cut(R, kind, place, step):
    """Add step times the cut's matrix, without its constant."""
    i, j, k = place[0], place[1], place[2]
    half = 0.5 * step
    if kind == APEX:
        R[i, i] += step
        _add_pair(R, i, j, -half)
        _add_pair(R, i, k, -half)
        _add_pair(R, j, k, half)
    elif kind == ALL:
        R[i, i] -= step
        R[j, j] -= step
        R[k, k] -= step
        _add_pair(R, i, j, half)
        _add_pair(R, i, k, half)
        _add_pair(R, j, k, half)
    elif kind == UNDER:
        R[i, i] += step
        _add_pair(R, i, j, -half)
    else:
        R[i, i] -= step
        R[j, j] -= step
        _add_pair(R, i, j, half)


@njit(cache=True)
def _add_pair(R, i, j, value):
    R[i, j] += value
    R[j, i] = R[i, j]


@njit(cache=True)
def budget_steps(R, first, sigma, cost, limit, spend, save):
    """Meet x_i(limit - costᵀx) ≥ 0, (1 - x_i)(limit - costᵀx) ≥ 0, limit ≥ costᵀx.

    The multipliers of the first two are ``spend`` and ``save``, in the places of i; the
    last one's is the last entry of ``save``, (N + 1,). ``cost`` is 0 in place 0 of
    (1, x).
    """
    n = R.shape[0]
    square = 0.0
    spent = 0.0
    for j in range(n):
        square += cost[j] * cost[j]
        spent += cost[j] * R[j, j]
    for i in range(first, n):
        spent = _spend_step(R, i, sigma, cost, limit, square, spent, spend)
        spent = _save_step(R, i, sigma, cost, limit, square, spent, save)
    if square == 0.0:
        return
    held = sigma * save[n]
    step = max((spent - limit) / square, -held)
    save[n] = (held + step) / sigma
    for j in range(n):
        R[j, j] -= step * cost[j]


@njit(cache=True)
def _priced_row(R, i, cost):
    total = 0.0
    for j in range(R.shape[0]):
        total += cost[j] * R[i, j]
    return total


@njit(cache=True)
def _spend_step(R, i, sigma, cost, limit, square, spent, spend):
    """Move along limit·E_ii - ½(e_i costᵀ + cost e_iᵀ)."""
    own = limit - cost[i]
    norm = own * own + 0.5 * (square - cost[i] * cost[i])
    held = sigma * spend[i]
    value = limit * R[i, i] - _priced_row(R, i, cost)
    if norm <= 1e-12 * square:
        return spent
    step = max(-value / norm, -held)
    if step != 0.0:
        spend[i] = (held + step) / sigma
        _add_priced_row(R, i, cost, -step)
        R[i, i] += step * limit
        spent += step * own * cost[i]
    return spent


@njit(cache=True)
def _save_step(R, i, sigma, cost, limit, square, spent, save):
    """Move along ½(e_i costᵀ + cost e_iᵀ) - limit·E_ii - diag(cost)."""
    others = square - cost[i] * cost[i]
    norm = limit * limit + 1.5 * others
    held = sigma * save[i]
    value = limit - spent - limit * R[i, i] + _priced_row(R, i, cost)
    if norm <= 1e-12 * square:
        return spent
    step = max(-value / norm, -held)
    if step == 0.0:
        return spent
    save[i] = (held + step) / sigma
    _add_priced_row(R, i, cost, step)
    R[i, i] -= step * limit
    for j in range(R.shape[0]):
        R[j, j] -= step * cost[j]
        change = -cost[j] if j != i else -limit
        spent += step * change * cost[j]
    return spent


@njit(cache=True)
def _add_priced_row(R, i, cost, step):
    """Add ½·step·(e_i costᵀ + cost e_iᵀ)."""
    for j in range(R.shape[0]):
        if j == i:
            R[i, i] += step * cost[i]
        else:
            R[i, j] += 0.5 * step * cost[j]
            R[j, i] = R[i, j]
