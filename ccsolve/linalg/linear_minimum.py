"""Proven lower bounds of a linear function over the feasible selections."""

import math
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.linalg.spectrum import frobenius_norm

ROUNDS = 60
"""Breakpoints of the dual looked at; fewer than ten are needed as a rule."""


class LinearMinimum(NamedTuple):
    """A proven lower bound, and the price of the budget that gives it."""

    value: float
    price: float


class _Piece(NamedTuple):
    """The dual at one price: value = level + price·excess, less the rounding."""

    price: float
    value: float
    level: float
    excess: float


def linear_minimum(
    g: np.ndarray, keep: int | None, cost: np.ndarray | None, limit: float
) -> LinearMinimum:
    """Give a lower bound of gᵀz over binary z with 1ᵀz = keep and costᵀz ≤ limit.

    Without a budget it is the sum of the ``keep`` smallest entries, or of the negative
    ones without ``keep``: O(n). With a budget it is the Lagrangian dual max over t ≥ 0
    of min (g + t·cost)ᵀz - t·limit, concave and piecewise linear, whose value is that
    of the linear relaxation; any t gives a bound. The maximum is bracketed between a
    price that overspends and one that does not, each next price being where their
    pieces meet: O(n) a round. The value is lowered by what rounding may add.
    """
    free = _piece(g, keep, cost, limit, 0.0)
    if cost is None or free.excess <= 0:
        return LinearMinimum(free.value, 0.0)
    affordable = _affordable_piece(g, keep, cost, limit)
    best = max(free, affordable, key=lambda piece: piece.value)
    for _ in range(ROUNDS):
        fall = free.excess - affordable.excess
        price = (affordable.level - free.level) / fall if fall > 0 else math.nan
        if not free.price < price < affordable.price:
            break
        piece = _piece(g, keep, cost, limit, price)
        best = max(best, piece, key=lambda piece: piece.value)
        if piece.excess > 0:
            free = piece
        else:
            affordable = piece
    return LinearMinimum(best.value, best.price)


def _affordable_piece(
    g: np.ndarray, keep: int | None, cost: np.ndarray, limit: float
) -> _Piece:
    """Double the price until the budget holds, 200 times at most."""
    price = max(float(np.abs(g).max()), 1e-300) / max(float(cost.max()), 1e-300)
    for _ in range(200):
        piece = _piece(g, keep, cost, limit, price)
        if piece.excess <= 0:
            break
        price *= 2.0
    return piece


def _piece(
    g: np.ndarray, keep: int | None, cost: np.ndarray | None, limit: float, price: float
) -> _Piece:
    reduced = g if cost is None or price == 0 else g + price * cost
    chosen = _smallest(reduced, keep)
    total = float(reduced[chosen].sum())
    sums = gamma(chosen.size + 4) * float(np.abs(reduced[chosen]).sum())
    if cost is None:
        return _Piece(0.0, total - sums, total, 0.0)
    spent = float(cost[chosen].sum())
    forming = 0.0 if price == 0 else _forming(g, keep, cost, limit, price)
    value = total - price * limit - sums - forming
    return _Piece(price, value, float(g[chosen].sum()), spent - limit)


def _forming(
    g: np.ndarray, keep: int | None, cost: np.ndarray, limit: float, price: float
) -> float:
    """Bound what rounding g + price·cost and price·limit moves the minimum."""
    size = math.sqrt(g.size if keep is None else keep)
    norms = frobenius_norm(g) + price * frobenius_norm(cost)
    return 4.0 * EPS * (size * norms + price * abs(limit))


def _smallest(values: np.ndarray, keep: int | None) -> np.ndarray:
    if keep is None:
        return np.flatnonzero(values < 0)
    return np.argpartition(values, keep - 1)[:keep] if keep else np.empty(0, np.intp)
