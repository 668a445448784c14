"""Least squares over 0 and 1, a column at a time: which comes first, what is kept.

Partial points are the leaves of a tree, with a level for every `WIDTH` columns, the
last columns first. ``parent`` (levels, nodes) is a node's place in the level before,
``taken`` (levels, nodes) what it decides, as bits, ``counts`` (levels,) the nodes of
each. A few levels up all leaves have the same few ancestors: what these cost is found
once for all of them.
"""

import numpy as np
from numba import njit

WIDTH = 16
"""Columns of a level; those that come last have what is left."""

_HALF, _BINS = 8, 1024

_ORDERED = {"nnan", "nsz"}
"""Minima compile to vectors; a product and a sum round alike in every loop."""


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
def decide_columns(R, target, behind, cost, most, origin, taken, spent):
    """Extend partial points by w ≤ `WIDTH` columns, the last first; keep the cheapest.

    The cost is ‖R(y - target)‖², R (w, w) upper triangular with what stands ``behind``
    (w, K) in its rows, from columns that the K points decided at ``cost`` (K,). After
    each column at most ``most`` points stay. Gives how many do at the end, and sets for
    these which they come from, ``origin``, rising, their bits, ``taken``, and what they
    ``spent``; there must be room for the more of K and ``most``. O(K·w).
    """
    w, count = len(target), len(cost)
    room = 2 * len(spent)
    origin_next, taken_next = np.empty(room, np.int32), np.empty(room, np.int32)
    spent_next, both = np.empty(room), np.empty(room)
    bins = np.empty(_BINS, np.int64)
    low, high = np.zeros(1 << _HALF), np.zeros(1 << _HALF)
    spent[:count], taken[:count] = cost, 0
    for m in range(count):
        origin[m] = m
    for i in range(w - 1, -1, -1):
        _sums_of_bits(R[i, :_HALF], i + 1, low)
        _sums_of_bits(R[i, _HALF:], i + 1 - _HALF, high)
        held = 0.0
        for j in range(i, w):
            held -= R[i, j] * target[j]
        for m in range(count):
            bits = taken[m]
            out = held + behind[i, origin[m]] + low[bits & 255] + high[bits >> _HALF]
            both[2 * m] = spent[m] + out**2
            both[2 * m + 1] = spent[m] + (out + R[i, i]) ** 2
        limit, ties = _smallest(both[: 2 * count], min(2 * count, most), bins)
        found, tied = 0, 0
        for c in range(2 * count):  # without a branch, which no processor would foresee
            origin_next[found] = origin[c // 2]
            taken_next[found] = taken[c // 2] | (c % 2) << i
            spent_next[found] = both[c]
            is_tie = both[c] == limit
            found += (both[c] < limit) | (is_tie & (tied < ties))
            tied += is_tie
        count = found
        origin[:count], taken[:count] = origin_next[:count], taken_next[:count]
        spent[:count] = spent_next[:count]
    return count


@njit(cache=True, fastmath=True)
def _sums_of_bits(entries, start, sums):
    """Set what every pattern of bits adds up to; entries before ``start`` are 0."""
    for j in range(len(entries)):
        entry = entries[j] if j >= start else 0.0
        for s in range(1 << j):
            sums[s + (1 << j)] = sums[s] + entry


@njit(cache=True, fastmath=_ORDERED)
def _smallest(values, count, bins):
    """Give the ``count``-th smallest of some values, and how many of its ties count.

    The values of its bin first, then it among these: O(n).
    """
    least, largest = values[0], values[0]
    for value in values:
        least, largest = min(least, value), max(largest, value)
    if count == len(values):
        return largest, count
    close, before = values.copy(), 0
    if largest - least > _BINS * np.finfo(np.float64).tiny:
        scale, at, found = (_BINS - 1) / (largest - least), 0, 0
        bins[:] = 0
        for value in values:
            bins[int((value - least) * scale)] += 1
        while before + bins[at] < count:
            before += bins[at]
            at += 1
        for value in values:
            if int((value - least) * scale) == at:
                close[found] = value
                found += 1
        close = close[:found]
    limit = np.partition(close, count - before - 1)[count - before - 1]
    for value in close:
        before += value < limit
    return limit, count - before


@njit(cache=True, fastmath=True)
def hold_decided(above, target, parent, taken, counts, behind):
    """Set what stands ``behind`` (`WIDTH`, K) in as many rows, for a tree's K leaves.

    ``above`` (m, `WIDTH`) are these rows' entries in the m columns that are decided,
    turned; ``target`` (m,). O(`WIDTH`) for each node.
    """
    m, last = len(above), len(counts) - 1
    most = counts[:last].max() if last > 0 else 1
    held, held_next = np.zeros((most, WIDTH)), np.empty((most, WIDTH))
    sums = np.zeros((4, 16, WIDTH))
    for j in range(m):
        for i in range(WIDTH):
            held[0, i] -= above[j, i] * target[j]
    if last < 0:
        behind[:, 0] = 0.0
    for level in range(last + 1):
        m -= WIDTH
        for j in range(WIDTH):  # four bits at a time, added up for all their patterns
            four, bit = sums[j // 4], 1 << j % 4
            for pattern in range(bit):
                for i in range(WIDTH):
                    four[pattern + bit, i] = four[pattern, i] + above[m + j, i]
        for c in range(counts[level]):
            up, bits = held[parent[level, c]], taken[level, c]
            first, second = sums[0, bits & 15], sums[1, bits >> 4 & 15]
            third, fourth = sums[2, bits >> 8 & 15], sums[3, bits >> 12]
            own = behind[:, c] if level == last else held_next[c]
            for i in range(WIDTH):
                own[i] = up[i] + (first[i] + second[i]) + (third[i] + fourth[i])
        held, held_next = held_next, held


@njit(cache=True)
def drop_childless(parent, taken, counts):
    """Take the nodes out of a tree that no leaf comes from. O(nodes)."""
    for level in range(len(counts) - 1, 0, -1):
        place = np.zeros(counts[level - 1], np.int32)
        for c in range(counts[level]):
            place[parent[level, c]] = 1
        left = 0
        for p in range(counts[level - 1]):
            if place[p] == 1:
                parent[level - 1, left] = parent[level - 1, p]
                taken[level - 1, left] = taken[level - 1, p]
                place[p] = left
                left += 1
        for c in range(counts[level]):
            parent[level, c] = place[parent[level, c]]
        if left == counts[level - 1]:
            break
        counts[level - 1] = left
