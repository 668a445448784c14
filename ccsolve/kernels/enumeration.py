"""Score every binary point in Gray-code order: one flip or one swap from the next."""

import numpy as np
from numba import njit

REFRESH = 16
"""Moves after which values are computed afresh, so that rounding cannot build up."""


@njit(cache=True)
def score_subsets(
    Q: np.ndarray,
    q: np.ndarray,
    cost: np.ndarray,
    limit: float,
    members: np.ndarray,
    best: np.ndarray,
    best_value: float,
    count: int,
) -> float:
    """Score ``count`` subsets of one size, from ``members`` on, each a swap away.

    The order is the revolving door's. ``members`` is sorted and is moved on; {0, ...,
    k-1} is the first subset. The best point that meets the budget (``cost`` empty:
    none) is written into ``best`` and its value zᵀQz + qᵀz returned. O(n) per subset.
    """
    n = q.size
    z = np.zeros(n)
    for i in members:
        z[i] = 1.0
    h, value, spent = np.empty(n), 0.0, 0.0
    for move in range(count):
        if move % REFRESH == 0:
            value, spent = _refresh(Q, q, cost, z, h)
        if value < best_value and _affordable(cost, limit, spent, z):
            best_value = value
            for i in range(n):
                best[i] = z[i]
        out, into = next_swap(members, n)
        value += h[into] - h[out] + Q[out, out] + Q[into, into] - 2.0 * Q[out, into]
        for i in range(n):
            h[i] += 2.0 * (Q[into, i] - Q[out, i])
        z[out], z[into] = 0.0, 1.0
        if cost.size:
            spent += cost[into] - cost[out]
    return best_value


@njit(cache=True)
def score_points(
    Q: np.ndarray,
    q: np.ndarray,
    cost: np.ndarray,
    limit: float,
    z: np.ndarray,
    start: int,
    best: np.ndarray,
    best_value: float,
    count: int,
) -> float:
    """Score ``count`` points in reflected Gray-code order, from number ``start`` on.

    ``z`` is the point of that number and is moved on; number 0 is z = 0. Otherwise as
    `score_subsets`.
    """
    n = q.size
    h, value, spent = np.empty(n), 0.0, 0.0
    for move in range(count):
        if move % REFRESH == 0:
            value, spent = _refresh(Q, q, cost, z, h)
        if value < best_value and _affordable(cost, limit, spent, z):
            best_value = value
            for i in range(n):
                best[i] = z[i]
        flip, gain = flip_next(Q, z, h, start + move + 1)
        value += gain
        if cost.size:
            spent += (2.0 * z[flip] - 1.0) * cost[flip]
    return best_value


@njit(cache=True)
def flip_next(
    Q: np.ndarray, z: np.ndarray, h: np.ndarray, number: int
) -> tuple[int, float]:
    """Move z on to point ``number`` of the reflected Gray code, from the one before.

    ``h`` is 2Qz + q and is moved on. Gives the channel that flipped and what that adds
    to zᵀQz + qᵀz. O(n).
    """
    flip = 0
    while number % 2 == 0 and flip < z.size - 1:
        number //= 2
        flip += 1
    sign = 1.0 - 2.0 * z[flip]
    gain = sign * h[flip] + Q[flip, flip]
    for i in range(z.size):
        h[i] += 2.0 * sign * Q[flip, i]
    z[flip] += sign
    return flip, gain


@njit(cache=True)
def next_swap(members: np.ndarray, n: int) -> tuple[int, int]:
    """Move a sorted subset of {0, ..., n-1} on by one swap; give what left and entered.

    The revolving-door order (Nijenhuis and Wilf; Kreher and Stinson, Combinatorial
    Algorithms, 1999, section 2.3). After the last subset comes the first.
    """
    k = members.size
    j = 0
    while j < k and members[j] == j:
        j += 1
    if (k - j) % 2 == 0:
        return _widen(members, j)
    top = members[j] + 1
    if top < n and (j + 1 == k or members[j + 1] != top):
        out = members[j] if j == 0 else j - 1
        if j > 0:
            members[j - 1] = top - 1
        members[j] = top
        return out, top
    if j + 1 == k:
        members[j] = j
        return top - 1, j
    members[j + 1] = top - 1
    members[j] = j
    return top, j


@njit(cache=True)
def _widen(members: np.ndarray, j: int) -> tuple[int, int]:
    """Move on where an even number of members stand above the first gap."""
    if j == 0:
        members[0] -= 1
        return members[0] + 1, members[0]
    members[j - 1] = j
    if j == 1:
        return 0, 1
    members[j - 2] = j - 1
    return j - 2, j


@njit(cache=True)
def _refresh(
    Q: np.ndarray, q: np.ndarray, cost: np.ndarray, z: np.ndarray, h: np.ndarray
) -> tuple[float, float]:
    """Write 2Qz + q into h; give zᵀQz + qᵀz and the cost of z."""
    return afresh(Q, q, z, h), _spent(cost, z)


@njit(cache=True)
def afresh(Q: np.ndarray, q: np.ndarray, z: np.ndarray, h: np.ndarray) -> float:
    """Write 2Qz + q into h; give zᵀQz + qᵀz."""
    value = 0.0
    for i in range(q.size):
        product = 0.0
        for j in range(q.size):
            product += Q[i, j] * z[j]
        h[i] = 2.0 * product + q[i]
        value += z[i] * (product + q[i])
    return value


@njit(cache=True)
def _spent(cost: np.ndarray, z: np.ndarray) -> float:
    """Give costᵀz, 0 without costs; a plain loop compiles faster than np.dot."""
    total = 0.0
    for i in range(cost.size):
        total += cost[i] * z[i]
    return total


@njit(cache=True)
def _affordable(cost: np.ndarray, limit: float, spent: float, z: np.ndarray) -> bool:
    """Decide by the running cost where it is clear, else by the cost afresh."""
    if cost.size == 0 or spent <= limit * (1.0 - 1e-9):
        return True
    return spent <= limit * (1.0 + 1e-9) and _spent(cost, z) <= limit
