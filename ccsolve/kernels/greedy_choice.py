"""One greedy decision after another, on a dense form or on a factor."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.swap_search import NEVER, lowest


class Choices(NamedTuple):
    """The channels looked at, in one piece; a of them.

    Attributes
    ----------
    Q, points, diagonal : the form, (a, a), or (a, m) and (a,) with Q of size 0.
    own, cost, gradient : (a,) Q_ii, costs and 2Qz + q, the last kept up.
    open : (a,) whether a channel can still be flipped, kept up.
    channels : (a,) their numbers.
    """

    Q: np.ndarray
    points: np.ndarray
    diagonal: np.ndarray
    own: np.ndarray
    cost: np.ndarray
    gradient: np.ndarray
    open: np.ndarray
    channels: np.ndarray


class Growth(NamedTuple):
    """A choice that grows from nothing, or shrinks from everything.

    Attributes
    ----------
    cost, by_cost : (n,) costs, and the channels by rising cost.
    limit, keep : inf and -1 where there is no budget, no cardinality.
    adding : whether removed channels enter; otherwise kept ones leave.
    kept : (n,) z as bool, updated in place.
    """

    cost: np.ndarray
    by_cost: np.ndarray
    limit: float
    keep: int
    adding: bool
    kept: np.ndarray


@njit(cache=True)
def cost_bar(growth, count, used):
    """Give the cost a channel may not pass, so that ``keep`` stay affordable; O(n).

    Adding: with S the cost of the keep - count cheapest removed channels and c the
    largest of them, channel j leaves enough for the rest iff cost_j ≤ c + slack - S.
    Deleting: with S the cost of the ``keep`` cheapest kept channels and c that of the
    next one, channel i may go iff cost_i ≥ c - (limit - S).
    """
    adding, cost = growth.adding, growth.cost
    total, wanted = 0.0, growth.keep - count if adding else growth.keep
    last = 0.0
    for k in growth.by_cost:
        if growth.kept[k] == adding:
            continue
        if wanted == 0:
            last = last if adding else cost[k]
            break
        total += cost[k]
        last = cost[k]
        wanted -= 1
    if adding:
        return last + (growth.limit - used) - total
    return last - (growth.limit - total)


@njit(cache=True)
def _score_counted(choices, way, bar, limited, out):
    """Score by the change of the objective; a budget bars by cost."""
    own, gradient, cost = choices.own, choices.gradient, choices.cost
    for k in range(out.shape[0]):
        out[k] = own[k] + way * gradient[k] if choices.open[k] else NEVER
    if limited:
        for k in range(out.shape[0]):
            out[k] = out[k] if way * cost[k] <= way * bar else NEVER


@njit(cache=True)
def _score_uncounted(choices, way, used, limit, out):
    """Score flips that gain and are affordable, per unit of cost under a budget.

    Above the budget all that cost anything may leave.
    """
    over, limited = used > limit, limit < np.inf
    unit = 1e-9 * choices.cost.max() + 1e-300
    for k in range(out.shape[0]):
        change = choices.own[k] + way * choices.gradient[k]
        cost = choices.cost[k]
        if over and way < 0:
            allowed = cost > 0
        else:
            allowed = change < 0 and (way < 0 or used + cost <= limit)
        if limited and (over or way > 0):
            change /= cost + unit
        out[k] = change if allowed and choices.open[k] else NEVER


@njit(cache=True)
def score(choices, growth, count, used, out):
    """Score the flip of each channel, lower is better; NEVER if not allowed. O(a).

    The change of the objective; where only a budget rules, the change per unit of cost,
    as for a knapsack.
    """
    way, limited = 1.0 if growth.adding else -1.0, growth.limit < np.inf
    if growth.keep < 0:
        _score_uncounted(choices, way, used, growth.limit, out)
        return
    bar = cost_bar(growth, count, used) if limited else 0.0
    _score_counted(choices, way, bar, limited, out)


@njit(cache=True)
def add_row(choices, j, scale):
    """Add scale·Q_j to the gradient; O(a), O(am) on a factor."""
    gradient = choices.gradient
    if choices.Q.shape[0] > 0:
        for k in range(gradient.shape[0]):
            gradient[k] += scale * choices.Q[j, k]
    else:
        gradient += scale * np.dot(choices.points, choices.points[j])
        gradient[j] += scale * choices.diagonal[j]


@njit(cache=True)
def greedy_block(choices, growth, steps):
    """Flip the best channel up to ``steps`` times; give how many were flipped."""
    count, used = 0, 0.0
    for k in range(growth.kept.shape[0]):
        if growth.kept[k]:
            count += 1
            used += growth.cost[k]
    scores, step = np.empty(choices.own.shape[0]), 1 if growth.adding else -1
    for made in range(steps):
        if count == growth.keep:
            return made
        score(choices, growth, count, used, scores)
        best = lowest(scores, np.int64(0))
        if scores[best] >= NEVER:
            return made
        growth.kept[choices.channels[best]] = growth.adding
        choices.open[best] = False
        count += step
        used += step * choices.cost[best]
        add_row(choices, best, 2.0 * step)
    return steps
