"""Least squares over 0 and 1, a column at a time: which comes first, what is kept."""

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True)
def order_by_variance(V, order):
    """Set the order (n,) in which entries of covariance V (n, n) are best decided.

    The one of least variance goes first; the others' covariance given it is V's Schur
    complement; and so on. V's lower triangle is read and destroyed. O(n³).
    """
    n = V.shape[0]
    left, column = np.arange(n), np.empty(n)
    for s in range(n):
        last, k = n - s - 1, 0
        for i in range(1, last + 1):
            if V[i, i] < V[k, k]:
                k = i
        order[s], left[k] = left[k], left[last]
        for i in range(last + 1):
            column[i] = V[i, k] if i >= k else V[k, i]
        pivot = column[k]
        if k < last:  # the last one takes its place
            column[k] = column[last]
            V[k, :k] = V[last, :k]
            V[k, k] = V[last, last]
            V[k + 1 : last, k] = V[last, k + 1 : last]
        for i in range(last):
            part = column[i] / pivot
            for j in range(i + 1):
                V[i, j] -= part * column[j]


@njit(cache=True, fastmath=True)
def decide_columns(R, target, behind, cost, most, origin, above, spent):
    """Extend partial points by w columns, the last first, and keep the cheapest.

    The cost is ‖R(y - target)‖², R (w, w) upper triangular with what stands ``behind``
    (K, w) in its rows, from columns that the K points decided at ``cost`` (K,). After
    each column at most ``most`` points stay. Gives how many do at the end, and sets for
    these which they come from, ``origin``, their y - target, ``above`` (·, w), and what
    they ``spent``; there must be room for the more of K and ``most``. O(K·w²).
    """
    w, count = len(target), len(cost)
    size = max(most, count)
    origin_next, above_next = np.empty(size, np.int64), np.empty((size, w))
    both = np.empty(2 * size)
    spent[:count] = cost
    for m in range(count):
        origin[m] = m
    for i in range(w - 1, -1, -1):
        for m in range(count):
            held = behind[origin[m], i]
            for j in range(i + 1, w):
                held += R[i, j] * above[m, j]
            out = held - R[i, i] * target[i]
            both[2 * m] = spent[m] + out**2
            both[2 * m + 1] = spent[m] + (out + R[i, i]) ** 2
        kept = min(2 * count, most)
        limit = np.partition(both[: 2 * count], kept - 1)[kept - 1]
        found = 0
        for c in range(2 * count):
            if both[c] <= limit and found < kept:
                m = c // 2
                origin_next[found] = origin[m]
                above_next[found, i + 1 :] = above[m, i + 1 :]
                above_next[found, i] = c % 2 - target[i]
                spent[found] = both[c]
                found += 1
        count = found
        origin[:count] = origin_next[:count]
        above[:count, i:] = above_next[:count, i:]
    return count
