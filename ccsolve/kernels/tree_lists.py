"""Lists of partial choices (loss, costs), cut by linear tests and by dominance."""

from typing import NamedTuple

import numpy as np
from numba import njit


class Partial(NamedTuple):
    """S partial choices by rising weights₀·loss + prices₀ᵀcost.

    Attributes
    ----------
    loss, cost : (S,), (S, B).
    first, second : (S,) the two partial choices that each was put together from.
    """

    loss: np.ndarray
    cost: np.ndarray
    first: np.ndarray
    second: np.ndarray


class Cutoffs(NamedTuple):
    """J tests weights_j·loss + prices_jᵀcost ≤ room_j; (J,), (J, B), (J,)."""

    weights: np.ndarray
    prices: np.ndarray
    room: np.ndarray


@njit(cache=True)
def value(tests, j, loss, cost):
    """Give weights_j·loss + prices_jᵀcost."""
    total = tests.weights[j] * loss
    for m in range(cost.shape[0]):
        total += tests.prices[j, m] * cost[m]
    return total


@njit(cache=True)
def _passes(tests, loss, cost):
    for j in range(tests.weights.shape[0]):
        if value(tests, j, loss, cost) > tests.room[j]:
            return False
    return True


@njit(cache=True)
def _rank(tests, part, count):
    rank = np.empty(count)
    for s in range(count):
        rank[s] = value(tests, 0, part.loss[s], part.cost[s])
    return rank


@njit(cache=True)
def _frontier(part, count):
    """Give the choices of one cost that no other beats in loss and cost; O(S log S)."""
    costs = np.empty(count)
    for s in range(count):
        costs[s] = part.cost[s, 0]
    by_cost = np.argsort(costs)
    kept = np.empty(count, dtype=np.int64)
    found, least = 0, np.inf
    s = 0
    while s < count:
        # Of equal costs the least loss stands for all.
        best, cost = by_cost[s], costs[by_cost[s]]
        while s < count and costs[by_cost[s]] == cost:
            best = by_cost[s] if part.loss[by_cost[s]] < part.loss[best] else best
            s += 1
        if part.loss[best] < least:
            least = part.loss[best]
            kept[found] = best
            found += 1
    return kept[:found]


@njit(cache=True)
def _beats(part, t, s):
    """Say whether choice t is at least as good as s throughout."""
    if part.loss[t] > part.loss[s]:
        return False
    for m in range(part.cost.shape[1]):
        if part.cost[t, m] > part.cost[s, m]:
            return False
    return True


@njit(cache=True)
def _unbeaten(part, order, window):
    """Give the choices that none of the ``window`` best kept before beats.

    ``order`` rises in a sum of loss and costs, so that none is beaten by a later one;
    O(S·window·B).
    """
    kept = np.empty(order.shape[0], dtype=np.int64)
    found = 0
    for s in order:
        beaten = False
        for t in range(min(found, window)):
            if _beats(part, kept[t], s):
                beaten = True
                break
        if not beaten:
            kept[found] = s
            found += 1
    return kept[:found]


@njit(cache=True)
def _cut(tests, part, count, window):
    """Leave the unbeaten of the first ``count`` choices, in order; give how many."""
    rank = _rank(tests, part, count)
    if part.cost.shape[1] == 1:
        kept = _frontier(part, count)
        kept = kept[np.argsort(rank[kept])]
    else:
        kept = _unbeaten(part, np.argsort(rank), window)
    found = kept.shape[0]
    part.loss[:found] = part.loss[kept]
    part.cost[:found] = part.cost[kept]
    part.first[:found] = part.first[kept]
    part.second[:found] = part.second[kept]
    return found


@njit(cache=True)
def _put(part, count, loss, cost, more_loss, more_cost):
    part.loss[count] = loss + more_loss
    for m in range(cost.shape[0]):
        part.cost[count, m] = cost[m] + more_cost[m]


@njit(cache=True)
def shift(below, starts, loss, cost, tests, window, part):
    """Write the choices of a layer's options, each with its entry of a table.

    below : Partial of the layer, starts (K + 1,) where each option's choices begin;
    loss, cost : (K,), (K, B) what option k adds. ``part`` has room for one more than
    ``below``; its ``first`` is the choice's place there. Returns how many are left.
    O(S·J).
    """
    count = np.int64(0)
    for k in range(loss.shape[0]):
        for s in range(starts[k], starts[k + 1]):
            _put(part, count, below.loss[s], below.cost[s], loss[k], cost[k])
            if _passes(tests, part.loss[count], part.cost[count]):
                part.first[count] = s
                part.second[count] = -1
                count += 1
    return _cut(tests, part, count, window)


@njit(cache=True)
def _sums_within(one, other, most):
    """Count the sums of two rising lists that are at most ``most``; O(n + m)."""
    count, t = 0, other.shape[0]
    for s in range(one.shape[0]):
        while t > 0 and one[s] + other[t - 1] > most:
            t -= 1
        count += t
    return count


@njit(cache=True)
def reach(one, other, tests, room):
    """Give up to what value sums of two choices are looked at, and how many they are.

    The first test's room, or less where more than ``room`` sums were within it.
    """
    values = _rank(tests, one, one.loss.shape[0])
    others = _rank(tests, other, other.loss.shape[0])
    most = tests.room[0]
    count = _sums_within(values, others, most)
    for _ in range(60):
        if count <= room:
            break
        low = values[0] + others[0]
        most = low + 0.7 * (most - low)
        count = _sums_within(values, others, most)
    return most, min(count, room)


@njit(cache=True)
def combine(one, other, tests, window, most, part):
    """Write the sums of two choices, one of each list, that pass the tests.

    Both lists rise in the first test's value, which ends the loops at ``most``.
    ``part`` has room for one more than `reach` counted. Returns how many are left;
    O(sums·J), and their sorting.
    """
    values = _rank(tests, one, one.loss.shape[0])
    others = _rank(tests, other, other.loss.shape[0])
    count, last = np.int64(0), part.loss.shape[0] - 1
    for s in range(values.shape[0]):
        for t in range(others.shape[0]):
            if values[s] + others[t] > most or count == last:
                break
            _put(part, count, one.loss[s], one.cost[s], other.loss[t], other.cost[t])
            if _passes(tests, part.loss[count], part.cost[count]):
                part.first[count] = s
                part.second[count] = t
                count += 1
    return _cut(tests, part, count, window)
