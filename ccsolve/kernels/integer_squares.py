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

_HALF = 8

_BINS, _SPARED = 4096, 512
"""Bins that values are counted in; one in so many of those to keep may be left out."""

_FINITE_OR_NOT = {"reassoc", "contract", "nsz", "arcp"}
"""Sums compile to vectors, and what is not finite is still told from what is."""


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
    (w, K or more) in its rows, from columns that the K points decided at ``cost`` (K,).
    After each column at most ``most`` points stay, and hardly fewer. Gives how many do
    at the end, and sets for these which they come from, ``origin``, rising, their bits,
    ``taken``, and what they ``spent``; there must be room for the more of K and
    ``most``. O(K·w).
    """
    w, count, room = len(target), len(cost), len(spent) + 1
    origins, bits = np.empty((2, room), np.int32), np.empty((2, room), np.int32)
    costs, both = np.empty((2, room)), np.empty(2 * room)
    places, bins = np.empty(2 * room, np.int32), np.empty(_BINS, np.int32)
    low, high = np.zeros(1 << _HALF), np.zeros(1 << _HALF)
    origins[0, :count], bits[0, :count], costs[0, :count] = np.arange(count), 0, cost
    least, now = cost.min(), 0
    for i in range(w - 1, -1, -1):
        comes, has, paid = origins[now], bits[now], costs[now]
        now = 1 - now
        _sums_of_bits(R[i, :_HALF], i + 1, low)
        _sums_of_bits(R[i, _HALF:], i + 1 - _HALF, high)
        held = 0.0
        for j in range(i, w):
            held -= R[i, j] * target[j]
        for m in range(count):
            out = held + behind[i, comes[m]] + low[has[m] & 255] + high[has[m] >> _HALF]
            both[2 * m] = paid[m] + out**2
            both[2 * m + 1] = paid[m] + (out + R[i, i]) ** 2
        place = places[: 2 * count]
        bar = _place_by_value(both, most, least, place, bins)
        count = 0
        for c in range(len(place)):  # no branch: it would be mispredicted
            origins[now, count] = comes[c // 2]
            bits[now, count] = has[c // 2] | (c % 2) << i
            costs[now, count] = both[c]
            count += place[c] < bar
    origin[:count], taken[:count] = origins[now, :count], bits[now, :count]
    spent[:count] = costs[now, :count]
    return count


@njit(cache=True, fastmath=True)
def _sums_of_bits(entries, start, sums):
    """Set what every pattern of bits adds up to; entries before ``start`` are 0."""
    for j in range(len(entries)):
        entry = entries[j] if j >= start else 0.0
        for s in range(1 << j):
            sums[s + (1 << j)] = sums[s] + entry


@njit(cache=True, fastmath=_FINITE_OR_NOT)
def _place_by_value(values, count, least, place, bins):
    """Set the places of values and give a bar; the ``count`` least have places below.

    Up to count // `_SPARED` of these may have the bar's own, where telling them from
    others would take a second look. A place is the number of a bin. No value is below
    ``least``, and by Markov's inequality the bins reach as far as the bar can be. O(n).
    """
    n = len(place)
    if count >= n:
        place[:] = 0
        return 1
    share, mean = 1.0 / n, 0.0
    for c in range(n):
        mean += values[c] * share
    if not mean < np.inf:  # where values overflow, all of them are alike
        place[:] = np.arange(n) >= count
        return 1
    reach = (mean - least) * n / (n - count)
    scale = (_BINS - 1) / reach if reach > _BINS * np.finfo(np.float64).tiny else 0.0
    bins[:] = 0
    for c in range(n):
        place[c] = np.int32(min((values[c] - least) * scale, _BINS - 1))
    for c in range(n):
        bins[place[c]] += 1
    before, bar = 0, 0
    while before + bins[bar] <= count:
        before += bins[bar]
        bar += 1
    if before < count - count // _SPARED:
        _split_bin(values[:n], count - before, place, bar)
    return bar


@njit(cache=True)
def _split_bin(values, count, place, bar):
    """Set the places of the ``count`` least values in bin ``bar`` below it."""
    close = values[place == bar]
    limit = np.partition(close, count - 1)[count - 1]
    ties = count - (close < limit).sum()
    for c in range(len(values)):
        if values[c] <= limit and place[c] == bar:
            is_tie = values[c] == limit
            if ties > 0 or not is_tie:
                place[c] = -1
            ties -= is_tie


@njit(cache=True, fastmath=True)
def hold_decided(above, target, parent, taken, counts, behind):
    """Set what stands ``behind`` (`WIDTH`, K or more) in rows, for a tree's K leaves.

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
