"""Quadratics over the unit box, a coordinate at a time."""

from numba import njit


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
