"""Metropolis sweeps of flips and swaps on a factor, where a row of Q costs too much.

``order`` (n,) holds the kept channels first, ``kept[0]`` of them, so that a random kept
or removed channel is one draw and a move is one exchange of entries.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.random_numbers import below, unit
from ccsolve.kernels.search_state import BEST, USED, VALUE


class FactorProgram(NamedTuple):
    """‖pointsᵀz‖² + linearᵀz under 1ᵀz = keep and costᵀz ≤ limit.

    Attributes
    ----------
    points, linear, cost : (n, m), rows the factor's columns; (n,) diagonal + q; (n,).
    limit : inf, and zero costs, without a budget.
    counted : whether the cardinality is fixed.
    tolerance : differences of the objective below it are rounding.
    """

    points: np.ndarray
    linear: np.ndarray
    cost: np.ndarray
    limit: float
    counted: bool
    tolerance: float


class FactorWalk(NamedTuple):
    """The running state; the kernel writes into the arrays.

    Attributes
    ----------
    image : (m,) the sum of the kept rows.
    order, kept : (n,) channels, the kept ones first; (1,) how many.
    totals : (3,) objective, best, budget used.
    best_order, best_kept : the best point.
    """

    image: np.ndarray
    order: np.ndarray
    kept: np.ndarray
    totals: np.ndarray
    best_order: np.ndarray
    best_kept: np.ndarray


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
def anneal_factored(program, point, temperatures, proposals, state):
    """Make ``proposals`` at each temperature; O(m) each.

    The best point is kept at the end of each temperature where the current one is
    better: copying at every improvement would cost O(n) each.
    """
    # Taken out of their tuples once: each look would count a reference, 5 ns.
    points, linear, cost, limit = (
        program.points,
        program.linear,
        program.cost,
        program.limit,
    )
    image, order, kept, totals = point.image, point.order, point.kept, point.totals
    step = np.empty_like(image)
    for temperature in temperatures:
        for _ in range(proposals):
            slack = limit - totals[USED]
            a, b = _draw(
                order, kept, cost, slack, program.counted, limit < np.inf, state
            )
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
        if totals[VALUE] < totals[BEST] - program.tolerance:
            totals[BEST] = totals[VALUE]
            point.best_order[:] = order
            point.best_kept[0] = kept[0]
