"""A group's least losses at every width: exact for few channels, else by descents."""

import numpy as np
from numba import njit

from ccsolve.kernels.capped_polytope import clip_to_total
from ccsolve.kernels.enumeration import REFRESH, afresh, flip_next
from ccsolve.kernels.random_numbers import below

WHOLE = 256
"""Channels up to which a descent looks at all pairs."""


@njit(cache=True)
def least_by_count(Q, q, least, best):
    """Write the least zᵀQz + qᵀz over the points of every count; O(2ⁿ·n).

    ``least`` (n + 1,) and ``best`` (n + 1, n) bool, its points; Gray-code order.
    """
    n = q.size
    z, h = np.zeros(n), q.copy()
    value, count = 0.0, 0
    least[:] = np.inf
    for move in range(1 << n):
        if move % REFRESH == 0:
            value = afresh(Q, q, z, h)
        if value < least[count]:
            least[count] = value
            for i in range(n):
                best[count, i] = z[i] > 0.5
        flip, gain = flip_next(Q, z, h, move + 1)
        value += gain
        count += 1 if z[flip] > 0.5 else -1


@njit(cache=True)
def _turn(Q, change, sign, k):
    own, twice = change[k], 2.0 * sign[k]
    for j in range(change.size):
        change[j] += twice * sign[j] * Q[k, j]
    change[k] = -own
    sign[k] = -sign[k]


@njit(cache=True)
def _lowest(change, sign, side):
    found, least = -1, np.inf
    for i in range(change.size):
        if sign[i] == side and change[i] < least:
            found, least = i, change[i]
    return found


@njit(cache=True)
def _swapped(Q, change, sign, tolerance):
    """Make the best swap; give what it adds, 0 where none gains."""
    i, j = _lowest(change, sign, -1.0), _lowest(change, sign, 1.0)
    best, out, into = -tolerance, -1, -1
    whole = change.size <= WHOLE
    for a in range(change.size if i >= 0 and j >= 0 else 0):
        if sign[a] > 0:
            continue
        low, high = (0, change.size) if whole or a == i else (j, j + 1)
        for b in range(low, high):
            gain = change[a] + change[b] - 2.0 * Q[a, b]
            if sign[b] > 0 and gain < best:
                best, out, into = gain, a, b
    if out < 0:
        return 0.0
    _turn(Q, change, sign, out)
    _turn(Q, change, sign, into)
    return best


@njit(cache=True)
def _held_lowest(change, sign, held, now, side):
    found, least = -1, np.inf
    for i in range(change.size):
        if sign[i] == side and held[i] <= now and change[i] < least:
            found, least = i, change[i]
    return found


@njit(cache=True)
def _wandered(Q, change, sign, value, patience, state, saved):
    """Swap on by tabu search until ``patience`` swaps bring nothing; end at the best.

    The channel cheapest to leave goes, held or not; the best that may enter comes.
    ``saved`` (2, n) is where the best point's change and sign are kept. O(n) a swap.
    """
    n = change.size
    held, best, now, fruitless = np.zeros(n, np.int64), value, 0, 0
    saved[0], saved[1] = change, sign
    while fruitless < patience:
        now, fruitless = now + 1, fruitless + 1
        i = _held_lowest(change, sign, held, now, -1.0)
        j, least = -1, np.inf
        for b in range(n if i >= 0 else 0):
            gain = change[b] - 2.0 * Q[i, b]
            if sign[b] > 0 and held[b] <= now and gain < least:
                j, least = b, gain
        if j < 0:
            continue
        value += change[i] + least
        _turn(Q, change, sign, i)
        _turn(Q, change, sign, j)
        held[i] = now + 3 + below(state, 8)
        held[j] = now + 2 + below(state, 6)
        if value < best - 1e-13 * (abs(best) + abs(value)):
            best, fruitless = value, 0
            saved[0], saved[1] = change, sign
    change[:], sign[:] = saved[0], saved[1]
    return best


@njit(cache=True)
def search_by_count(Q, q, least, best, tolerance, patience, ways, state):
    """Find good points of every count: on the way from none to all, back, and again.

    ``least`` (n + 1,) values and ``best`` (n + 1, n) points so far, inf without one.
    Of ``ways`` more than `WHOLE` channels go the first alone. Each way the channel
    comes, or goes, that is best next; at every count swaps descend, then tabu search
    goes on for ``patience`` fruitless swaps. O(n²) a swap of the descent up to `WHOLE`
    channels, O(n) beyond and for tabu.
    """
    n = q.size
    sign, change, value = np.ones(n), np.empty(n), 0.0
    saved = np.empty((2, n))
    for i in range(n):
        change[i] = Q[i, i] + q[i]
    for way in range(ways if n <= WHOLE else 1):
        side = 1.0 if way % 2 == 0 else -1.0
        for step in range(n + 1):
            count = step if side > 0 else n - step
            gain = -1.0
            while gain < 0.0:
                gain = _swapped(Q, change, sign, tolerance)
                value += gain
            if patience > 0 and 0 < count < n:
                value = _wandered(Q, change, sign, value, patience, state, saved)
            if value < least[count]:
                least[count] = value
                for i in range(n):
                    best[count, i] = sign[i] < 0
            k = _lowest(change, sign, side)
            if k >= 0:
                value += change[k]
                _turn(Q, change, sign, k)


@njit(cache=True)
def box_minima(A, linear, step, totals, Z, rounds):
    """Minimise zᵀAz + linearᵀz over 0 ≤ z ≤ 1, 1ᵀz = total, for each row of Z.

    A is positive semidefinite where it matters, ``step`` half of what its largest
    eigenvalue allows. Accelerated projected gradients (Nesterov 1983) that start their
    acceleration anew where they turn; O(n²) a round. Z is improved in place.
    """
    n = linear.size
    reach, trial, after = np.ones(n), np.empty(n), np.empty(n)
    for row in range(Z.shape[0]):
        z, ahead, t, tau = Z[row], Z[row].copy(), 1.0, 0.0
        for _ in range(rounds):
            for i in range(n):
                product = 0.0
                for j in range(n):
                    product += A[i, j] * ahead[j]
                trial[i] = ahead[i] - step * (2.0 * product + linear[i])
            tau = clip_to_total(trial, reach, totals[row], tau, after)
            following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
            turned = 0.0
            for i in range(n):
                turned += (ahead[i] - after[i]) * (after[i] - z[i])
            weight = (t - 1.0) / following if turned <= 0 else 0.0
            t = following if turned <= 0 else 1.0
            for i in range(n):
                ahead[i] = after[i] + weight * (after[i] - z[i])
                z[i] = after[i]
