"""Quadratics over the unit box, a coordinate at a time."""

from numba import njit

OPEN = 1e-4
"""How far from 0 and 1 an entry is still to be closed."""


@njit(cache=True)
def descend_matrix(M, shift, linear, free, y, slope, sweeps):
    """Minimise yᵀ(M + shift·I)y + linearᵀy over 0 ≤ y ≤ 1 by ``sweeps`` of coordinates.

    ``slope`` (n,) is (M + shift·I)y; both are changed in place. O(n) a change.
    """
    n = y.shape[0]
    for _ in range(sweeps):
        for i in range(n):
            by = _step(slope[i], linear[i], M[i, i] + shift, y[i]) if free[i] else 0.0
            if by == 0.0:
                continue
            for j in range(n):
                slope[j] += by * M[i, j]
            slope[i] += by * shift
            y[i] += by


@njit(cache=True)
def close_entries(M, linear, free, y, slope, rank, sweeps, most):
    """Round up to ``most`` open entries of y, of least rank first; give how many.

    After each, which is free no more, the others descend by ``sweeps`` and take back
    what they can of what rounding it lost. As `descend_matrix` without a shift.
    """
    n = y.shape[0]
    for count in range(most):
        found, least = -1, 0.0
        for i in range(n):
            if free[i] and OPEN < y[i] < 1.0 - OPEN and (found < 0 or rank[i] < least):
                found, least = i, rank[i]
        if found < 0:
            return count
        by = (1.0 if y[found] > 0.5 else 0.0) - y[found]
        for j in range(n):
            slope[j] += by * M[found, j]
        y[found] += by
        free[found] = False
        descend_matrix(M, 0.0, linear, free, y, slope, sweeps)
    return most


@njit(cache=True, fastmath=True)
def descend_factor(rows, square, linear, free, y, image, sweeps):
    """Minimise ‖Σ y_i·rows_i‖² + linearᵀy over 0 ≤ y ≤ 1 by ``sweeps`` of coordinates.

    ``square`` (n,) is ‖rows_i‖², ``image`` (m,) the sum; y and it are changed in place.
    O(m) a coordinate.
    """
    n, m = rows.shape
    for _ in range(sweeps):
        for i in range(n):
            if not free[i]:
                continue
            slope = 0.0
            for p in range(m):
                slope += rows[i, p] * image[p]
            by = _step(slope, linear[i], square[i], y[i])
            if by == 0.0:
                continue
            for p in range(m):
                image[p] += by * rows[i, p]
            y[i] += by


@njit(cache=True)
def _step(slope, linear, curved, at):
    """Give the way to the least curved·s² + (2·slope + linear)·s within the box."""
    gradient = 2.0 * slope + linear
    if curved > 0.0:
        to = at - 0.5 * gradient / curved
    else:
        to = 0.0 if gradient > 0.0 else (1.0 if gradient < 0.0 else at)
    return min(max(to, 0.0), 1.0) - at
