"""Quadratics over the unit box and priced budgets, a coordinate at a time."""

from typing import NamedTuple

import numpy as np
from numba import njit


class Costs(NamedTuple):
    """What B budgets ask of a point's widths; all in shares of a budget.

    ``off`` of its budget a point costs max(0, price + steep·off)² / (2·steep): the
    augmented Lagrangian.

    Attributes
    ----------
    groups : (n,).
    square : (B, G, G) symmetric, of the products of widths.
    rates : (B, G) what one more channel costs; changed with the point.
    off : (B,) what is spent beyond the budget, below 0 where there is room; changed.
    price, steep : (B,).
    """

    groups: np.ndarray
    square: np.ndarray
    rates: np.ndarray
    off: np.ndarray
    price: np.ndarray
    steep: np.ndarray


@njit(cache=True)
def descend_matrix(M, shift, linear, free, y, slope, costs, sweeps, still):
    """Minimise yᵀ(M + shift·I)y + linearᵀy and costs over 0 ≤ y ≤ 1 by ``sweeps``.

    ``slope`` (n,) is (M + shift·I)y; it, y and the costs are changed in place. The
    last sweep is one in which nothing moves by more than ``still``. O(n) a change.
    """
    groups, square, rates, off, price, steep = costs
    n = y.shape[0]
    for _ in range(sweeps):
        most = 0.0
        for i in range(n):
            if not free[i]:
                continue
            g = groups[i]
            pull, bent = _pulled(square, rates, off, price, steep, g)
            by = _step(2.0 * slope[i] + linear[i] + pull, M[i, i] + shift + bent, y[i])
            if by == 0.0:
                continue
            for j in range(n):
                slope[j] += by * M[i, j]
            slope[i] += by * shift
            y[i] += by
            _pay(square, rates, off, g, by)
            most = max(most, abs(by))
        if most <= still:
            return


@njit(cache=True, fastmath=True)
def descend_factor(rows, squares, linear, free, y, image, costs, sweeps, still):
    """Minimise ‖Σ y_i·rows_i‖² + linearᵀy and costs over 0 ≤ y ≤ 1 by ``sweeps``.

    ``squares`` (n,) is ‖rows_i‖², ``image`` (m,) the sum; y, it and the costs are
    changed in place. It ends as `descend_matrix` does. O(m) a coordinate.
    """
    groups, square, rates, off, price, steep = costs
    n, m = rows.shape
    for _ in range(sweeps):
        most = 0.0
        for i in range(n):
            if not free[i]:
                continue
            g, slope = groups[i], 0.0
            for p in range(m):
                slope += rows[i, p] * image[p]
            pull, bent = _pulled(square, rates, off, price, steep, g)
            by = _step(2.0 * slope + linear[i] + pull, squares[i] + bent, y[i])
            if by == 0.0:
                continue
            for p in range(m):
                image[p] += by * rows[i, p]
            y[i] += by
            _pay(square, rates, off, g, by)
            most = max(most, abs(by))
        if most <= still:
            return


@njit(cache=True)
def _pulled(square, rates, off, price, steep, g):
    """Give the slope of the costs for a channel of group g, and half of their bend.

    The bend counts budgets that are reached within one channel, too: no step is longer
    than is safe.
    """
    pull, bent = 0.0, 0.0
    for b in range(len(off)):
        rate, now = rates[b, g], price[b] + steep[b] * off[b]
        if now > 0.0:
            pull += now * rate
            bent += now * square[b, g, g]
        if now + steep[b] * rate > 0.0:
            bent += 0.5 * steep[b] * rate**2
    return pull, bent


@njit(cache=True)
def _pay(square, rates, off, g, by):
    """Change what is spent, and the rates, by that much of a channel of group g."""
    for b in range(len(off)):
        off[b] += by * (rates[b, g] + by * square[b, g, g])
        for h in range(rates.shape[1]):
            rates[b, h] += 2.0 * by * square[b, g, h]


@njit(cache=True)
def _step(gradient, curved, at):
    """Give the way to the least curved·s² + gradient·s within the box."""
    if curved > 0.0:
        to = at - 0.5 * gradient / curved
    else:
        to = 0.0 if gradient > 0.0 else (1.0 if gradient < 0.0 else at)
    return min(max(to, 0.0), 1.0) - at
