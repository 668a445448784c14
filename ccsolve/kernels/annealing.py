"""Metropolis sweeps of flips and swaps on a factor, where a row of Q costs too much.

``order`` (n,) holds the kept channels first, ``kept[0]`` of them, so that a random kept
or removed channel is one draw and a move is one exchange of entries.
"""

import numpy as np
from numba import njit

from ccsolve.kernels.random_numbers import below, unit
from ccsolve.kernels.search_state import BEST, USED, VALUE

_HOPELESS = 40.0
"""exp(-40) is below the resolution of the random numbers: refuse without drawing."""


@njit(cache=True)
def _accepts(change, temperature, state):
    """Say whether Metropolis takes the change: with chance exp(-change/temperature)."""
    if change <= 0.0:
        return True
    if change >= _HOPELESS * temperature:
        return False
    return unit(state) < np.exp(-change / temperature)


@njit(cache=True)
def _draw(order, kept, cost, slack, swaps_only, limited, state):
    """Give two places of ``order`` to exchange, -1 for none; (-1, -1): no move.

    Places: a kept channel that leaves, a removed one that enters. Without a fixed
    cardinality half of the moves under a budget are flips, and all without one.
    """
    n, count = order.shape[0], kept[0]
    if not swaps_only and (not limited or below(state, 2) == 0):
        place = below(state, n)
        if place < count:
            return place, -1
        if cost[order[place]] <= slack:
            return -1, place
        return -1, -1
    if count == 0 or count == n:
        return -1, -1
    a = below(state, count)
    b = count + below(state, n - count)
    if cost[order[b]] - cost[order[a]] <= slack:
        return a, b
    return -1, -1


@njit(cache=True)
def _exchange(order, kept, a, b):
    """Move the channels at places a (leaves) and b (enters) across the border."""
    if a >= 0 and b >= 0:
        order[a], order[b] = order[b], order[a]
    elif a >= 0:
        last = kept[0] - 1
        order[a], order[last] = order[last], order[a]
        kept[0] -= 1
    else:
        first = kept[0]
        order[b], order[first] = order[first], order[b]
        kept[0] += 1


@njit(cache=True)
def _step_on_factor(points, linear, image, i, j, step):
    """Give the change of a move, its effect on the image F·z left in ``step`` (m,).

    ‖y + v‖² - ‖y‖² = v·(2y + v) with v the change of the image y; ``linear`` (n,) is
    diagonal + q, what a channel adds besides.
    """
    gain = 0.0
    step[:] = 0.0
    if j >= 0:
        gain += linear[j]
        step += points[j]
    if i >= 0:
        gain -= linear[i]
        step -= points[i]
    return gain + 2.0 * np.dot(step, image) + np.dot(step, step)


@njit(cache=True)
def anneal_factored(
    points,
    linear,
    cost,
    limit,
    swaps_only,
    image,
    order,
    kept,
    totals,
    best_order,
    best_kept,
    temperatures,
    proposals,
    tolerance,
    state,
):
    """Make ``proposals`` at each temperature on Q = points·pointsᵀ + diag; O(m) each.

    Parameters
    ----------
    points, linear : (n, m) rows of the factor's columns; (n,) diagonal + q.
    image : (m,) the sum of the kept rows, updated in place, as are order and kept.
    best_order, best_kept : the best point, updated at the end of each temperature where
        the current point is better: copying at every improvement would cost O(n) each.
    """
    step = np.empty(image.shape[0])
    for temperature in temperatures:
        for _ in range(proposals):
            slack = limit - totals[USED]
            a, b = _draw(order, kept, cost, slack, swaps_only, limit < np.inf, state)
            if a < 0 and b < 0:
                continue
            i = order[a] if a >= 0 else -1
            j = order[b] if b >= 0 else -1
            gain = _step_on_factor(points, linear, image, i, j, step)
            if not _accepts(gain, temperature, state):
                continue
            image += step
            _exchange(order, kept, a, b)
            totals[USED] += (cost[j] if j >= 0 else 0.0) - (cost[i] if i >= 0 else 0.0)
            totals[VALUE] += gain
        if totals[VALUE] < totals[BEST] - tolerance:
            totals[BEST] = totals[VALUE]
            best_order[:] = order
            best_kept[0] = kept[0]
