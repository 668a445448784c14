"""Projection onto {0 ≤ z ≤ 1, 1ᵀz = total, costᵀz ≤ limit} in a diagonal metric."""

import numpy as np
from numba import njit


@njit(cache=True)
def project(
    v: np.ndarray,
    reach: np.ndarray,
    total: float,
    cost: np.ndarray,
    limit: float,
    price: float,
    z: np.ndarray,
) -> float:
    """Write the projection of v into z and give the price of the budget.

    Least in Σ (z_i - v_i)²/reach_i is z_i = clip(v_i - reach_i(τ + price·cost_i), 0,
    1), where τ makes 1ᵀz = total (no such constraint for total < 0, then τ = 0), and
    the price, ≥ 0, makes costᵀz = limit where the budget binds. ``cost`` is empty
    without a budget; ``price`` is a first guess; ``reach`` > 0.

    The cost falls in the price, piecewise linear: the price is found by false position
    with halved end values (the Illinois rule), a handful of rounds of O(n) Newton
    steps.
    """
    surplus, room = -total, 0.0
    for i in range(v.size):
        surplus += v[i]
        room += reach[i]
    tau = clip_to_total(v, reach, total, surplus / room, z)
    if cost.size == 0:
        return 0.0
    excess = _spent(cost, z) - limit
    if excess <= 0.0:
        return 0.0
    return _bind(v, reach, total, cost, limit, price, tau, excess, z)


@njit(cache=True)
def _bind(
    v: np.ndarray,
    reach: np.ndarray,
    total: float,
    cost: np.ndarray,
    limit: float,
    guess: float,
    tau: float,
    excess: float,
    z: np.ndarray,
) -> float:
    """Find the price at which the cost is the limit, from the excess at price 0."""
    moved = np.empty_like(v)
    low, above, high, below, side = 0.0, excess, 0.0, 0.0, 0
    price = guess if guess > 0.0 else 1.0 / (excess + limit)
    tolerance = 1e-13 * (excess + limit)
    for _ in range(200):
        for i in range(v.size):
            moved[i] = v[i] - price * reach[i] * cost[i]
        tau = clip_to_total(moved, reach, total, tau, z)
        excess = _spent(cost, z) - limit
        if -tolerance <= excess <= 0.0:
            break
        if excess > 0.0:
            low, above = price, excess
            below *= 0.5 if side == 1 else 1.0
            side = 1
        else:
            high, below = price, excess
            above *= 0.5 if side == -1 else 1.0
            side = -1
        if high == 0.0:
            price = 2.0 * low
            continue
        step = low + (high - low) * above / (above - below)
        if not low < step < high:
            break
        price = step
    return price


@njit(cache=True)
def clip_to_total(
    v: np.ndarray, reach: np.ndarray, total: float, tau: float, z: np.ndarray
) -> float:
    """Write clip(v - τ·reach, 0, 1) into z, with τ such that it sums to ``total``.

    The sum falls in τ, piecewise linear. Newton's method is exact as soon as the set of
    interior entries is right; a bracket keeps it from cycling. ``tau`` is a first
    guess, τ is returned. For total < 0 nothing is asked of the sum and τ = 0.
    """
    if total < 0.0:
        _clip(v, reach, 0.0, z)
        return 0.0
    low, high = np.inf, -np.inf
    for i in range(v.size):
        low = min(low, (v[i] - 1.0) / reach[i])
        high = max(high, v[i] / reach[i])
    tau = min(max(tau, low), high)
    for _ in range(200):
        surplus, slope = _clip(v, reach, tau, z)
        surplus -= total
        if surplus == 0.0:
            break
        if surplus > 0.0:
            low = tau
        else:
            high = tau
        step = tau + surplus / slope if slope > 0.0 else 0.5 * (low + high)
        if abs(step - tau) <= 1e-16 * abs(tau):
            break
        if not low < step < high:
            step = 0.5 * (low + high)
        if not low < step < high:
            break
        tau = step
    return tau


@njit(cache=True)
def _clip(
    v: np.ndarray, reach: np.ndarray, tau: float, z: np.ndarray
) -> tuple[float, float]:
    """Write clip(v - τ·reach, 0, 1) into z; give its sum, and how fast that falls."""
    total, slope = 0.0, 0.0
    for i in range(v.size):
        value = v[i] - tau * reach[i]
        if value <= 0.0:
            value = 0.0
        elif value >= 1.0:
            value = 1.0
        else:
            slope += reach[i]
        z[i] = value
        total += value
    return total, slope


@njit(cache=True)
def _spent(cost: np.ndarray, z: np.ndarray) -> float:
    """Give costᵀz; a plain loop compiles in a tenth of the time of np.dot."""
    total = 0.0
    for i in range(z.size):
        total += cost[i] * z[i]
    return total
