"""Lower convex hulls of the layers' options in the plane of cost and loss, no sorting.

Losses and costs are (N,); layer l has the options offsets[l] .. offsets[l + 1] - 1.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def ends(losses, costs, start, stop):
    """Give the cheapest option and the one of least loss; ties by the other."""
    cheap = least = start
    for j in range(start + 1, stop):
        cost, loss = costs[j], losses[j]
        if cost < costs[cheap] or (cost == costs[cheap] and loss < losses[cheap]):
            cheap = j
        if loss < losses[least] or (loss == losses[least] and cost < costs[least]):
            least = j
    return cheap, least


@njit(cache=True)
def hulls(losses, costs, offsets, vertices, starts):
    """Write the vertices of every layer's hull by rising cost; quickhull, O(N log h).

    From the cheapest option to the one of least loss, slopes strictly rising to 0;
    those of layer l are vertices[starts[l]:starts[l + 1]]. Options within rounding of
    an edge may be left out.
    """
    largest = 0
    for layer in range(offsets.shape[0] - 1):
        largest = max(largest, offsets[layer + 1] - offsets[layer])
    room = np.empty(largest, np.int64)
    # A layer of K options splits at most K times; a pending edge keeps a point each.
    stack = np.empty((largest + 2, 5), np.int64)
    count = 0
    for layer in range(offsets.shape[0] - 1):
        starts[layer] = count
        count = _hull(
            losses,
            costs,
            offsets[layer],
            offsets[layer + 1],
            vertices,
            count,
            room,
            stack,
        )
    starts[offsets.shape[0] - 1] = count


@njit(cache=True)
def _hull(losses, costs, start, stop, vertices, count, room, stack):
    """Append one layer's hull to ``vertices``; give the new count."""
    cheap, least = ends(losses, costs, start, stop)
    first = count
    vertices[count] = cheap
    count += 1
    if cheap == least:
        return count
    inside, farthest = _below_chord(losses, costs, start, stop, cheap, least, room)
    stack[0] = cheap, least, 0, inside, farthest
    top = 1
    while top:
        top -= 1
        a, b, low, high, middle = stack[top]
        if middle < 0:
            count = _append(losses, costs, vertices, first, count, b)
            continue
        left, right, left_far, right_far = _split(
            losses, costs, room, low, high, a, middle, b
        )
        stack[top] = middle, b, right, high, right_far
        stack[top + 1] = a, middle, low, left, left_far
        top += 2
    return count


@njit(cache=True)
def _depth(losses, costs, a, b, j):
    """Give how far option j lies below the chord from a to b, times its width."""
    return (losses[b] - losses[a]) * (costs[j] - costs[a]) - (losses[j] - losses[a]) * (
        costs[b] - costs[a]
    )


@njit(cache=True)
def _below_chord(losses, costs, start, stop, a, b, room):
    """Write the options below the chord into ``room``; give their count and deepest."""
    count, farthest, deepest = 0, -1, 0.0
    width, rise = costs[b] - costs[a], losses[b] - losses[a]
    cost, loss = costs[a], losses[a]
    for j in range(start, stop):
        depth = rise * (costs[j] - cost) - (losses[j] - loss) * width
        if depth > 0.0:
            room[count] = j
            count += 1
            if depth > deepest:
                deepest, farthest = depth, j
    return count, farthest


@njit(cache=True)
def _split(losses, costs, room, low, high, a, middle, b):
    """Sort room[low:high] to below a-middle at its start, below middle-b at its end.

    Gives where the start ends and the end starts, and the deepest of both, -1 for none.
    """
    left, right, i = low, high, low
    left_far, right_far = -1, -1
    left_deep, right_deep = 0.0, 0.0
    while i < right:
        j = room[i]
        before = costs[j] < costs[middle]
        depth = (
            _depth(losses, costs, a, middle, j)
            if before
            else _depth(losses, costs, middle, b, j)
        )
        if depth > 0.0 and j != middle:
            if before:
                room[i] = room[left]
                room[left] = j
                left += 1
                i += 1
                if depth > left_deep:
                    left_deep, left_far = depth, j
            else:
                right -= 1
                room[i] = room[right]
                room[right] = j
                if depth > right_deep:
                    right_deep, right_far = depth, j
        else:
            i += 1
    return left, right, left_far, right_far


@njit(cache=True)
def _append(losses, costs, vertices, first, count, j):
    """Append a vertex, without those before it that rounding left above the hull."""
    while count - first >= 2:
        a, b = vertices[count - 2], vertices[count - 1]
        if _slope(losses, costs, a, b) > _slope(losses, costs, b, j):
            break
        count -= 1
    vertices[count] = j
    return count + 1


@njit(cache=True)
def _slope(losses, costs, a, b):
    """Give the loss saved per unit of cost from a to b."""
    return (losses[a] - losses[b]) / (costs[b] - costs[a])


@njit(cache=True)
def edges(losses, costs, vertices, starts, layer_of, cost, price):
    """Write every hull edge: its layer, its cost and what a unit of it saves."""
    at = 0
    for layer in range(starts.shape[0] - 1):
        for k in range(starts[layer] + 1, starts[layer + 1]):
            a, b = vertices[k - 1], vertices[k]
            layer_of[at] = layer
            cost[at] = costs[b] - costs[a]
            price[at] = _slope(losses, costs, a, b)
            at += 1


@njit(cache=True)
def fill(layer_of, cost, begin, taken, room):
    """Take edges from ``begin`` on that fit in ``room``, counting them in ``taken``.

    Within a layer none is taken after one that did not fit.
    """
    blocked = np.zeros(taken.shape[0], np.bool_)
    for k in range(begin, cost.shape[0]):
        layer = layer_of[k]
        if blocked[layer]:
            continue
        if cost[k] <= room:
            room -= cost[k]
            taken[layer] += 1
        else:
            blocked[layer] = True


@njit(cache=True)
def minima(losses, costs, offsets, price, least):
    """Write min_j loss_j + price·cost_j of every layer, and give Σ_l |it|; O(N)."""
    total = 0.0
    for layer in range(offsets.shape[0] - 1):
        lowest = np.inf
        for j in range(offsets[layer], offsets[layer + 1]):
            lowest = min(lowest, losses[j] + price * costs[j])
        least[layer] = lowest
        total += abs(lowest)
    return total


@njit(cache=True)
def near(losses, costs, offsets, price, least, gap, base, options, above):
    """Write the options whose reduced cost is at most ``gap``; give their count, O(N).

    The reduced cost loss_j + price·cost_j - least_l goes to ``above``. The option
    ``base[l]`` is always among them.
    """
    count = 0
    for layer in range(offsets.shape[0] - 1):
        bar = least[layer] + gap
        for j in range(offsets[layer], offsets[layer + 1]):
            value = losses[j] + price * costs[j]
            if value <= bar or j == base[layer]:
                options[count] = j
                above[count] = max(0.0, value - least[layer])
                count += 1
    return count
