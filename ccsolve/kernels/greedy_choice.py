"""One greedy decision after another, on a dense form or on a factor."""

import numpy as np
from numba import njit

NEVER = 1e300
"""Score of a channel that may not be flipped now."""


@njit(cache=True)
def entry(Q, points, diagonal, i, j):
    """Give Q_ij: read where Q (n, n) is given, a product of rows of ``points`` else."""
    if Q.shape[0] > 0:
        return Q[i, j]
    product = np.dot(points[i], points[j])
    return product + diagonal[i] if i == j else product


@njit(cache=True)
def add_column(Q, points, diagonal, j, scale, active, gradient):
    """Add scale·Q_kj to gradient_k for every active k; O(active), times m factored.

    Q is symmetric, so row j is read, which lies in one piece.
    """
    for k in active:
        gradient[k] += scale * entry(Q, points, diagonal, j, k)


@njit(cache=True)
def cost_bar(cost, by_cost, kept, adding, count, keep, limit, used):
    """Give the cost a channel may not pass, so that ``keep`` stay affordable; O(n).

    Adding: with S the cost of the keep - count cheapest removed channels and c the
    largest of them, channel j leaves enough for the rest iff cost_j ≤ c + slack - S.
    Deleting: with S the cost of the ``keep`` cheapest kept channels and c that of the
    next one, channel i may go iff cost_i ≥ c - (limit - S).
    """
    total, wanted = 0.0, keep - count if adding else keep
    last = 0.0
    for k in by_cost:
        if kept[k] == adding:
            continue
        if wanted == 0:
            last = last if adding else cost[k]
            break
        total += cost[k]
        last = cost[k]
        wanted -= 1
    if adding:
        return last + (limit - used) - total
    return last - (limit - total)


@njit(cache=True)
def scores(
    own, cost, by_cost, limit, keep, adding, active, gradient, kept, used, count, out
):
    """Score the flip of every active channel, lower is better; NEVER if not allowed.

    The score is the change of the objective; where only a budget rules, the change per
    unit of cost, as for a knapsack. ``keep`` = -1 stands for no cardinality.
    """
    limited = limit < np.inf
    over = used > limit
    bar = 0.0
    if limited and keep >= 0:
        bar = cost_bar(cost, by_cost, kept, adding, count, keep, limit, used)
    unit = 1e-9 * cost.max() + 1e-300
    for k in active:
        change = own[k] + (gradient[k] if adding else -gradient[k])
        allowed = kept[k] != adding
        if keep >= 0 and limited:
            allowed = allowed and (cost[k] <= bar if adding else cost[k] >= bar)
        elif keep < 0:
            if adding:
                allowed = allowed and change < 0 and used + cost[k] <= limit
            else:
                allowed = allowed and (cost[k] > 0 if over else change < 0)
        if keep < 0 and limited and (adding or over):
            change /= cost[k] + unit
        out[k] = change if allowed else NEVER


@njit(cache=True)
def greedy_block(
    Q,
    points,
    diagonal,
    own,
    cost,
    by_cost,
    limit,
    keep,
    adding,
    active,
    gradient,
    kept,
    steps,
    score,
):
    """Flip the best active channel up to ``steps`` times; give how many were flipped.

    Parameters
    ----------
    Q, points, diagonal : the form; Q of size 0 where it is factored.
    own, cost, by_cost : (n,) Q_ii, costs, and the channels by rising cost.
    limit, keep : inf and -1 where there is no budget, no cardinality.
    adding : whether removed channels enter; otherwise kept ones leave.
    active : the channels looked at; ``gradient`` is kept up for them alone.
    gradient, kept : (n,) 2Qz + q and z, updated in place.
    score : (n,) scratch.
    """
    count = 0
    used = 0.0
    for k in range(kept.shape[0]):
        if kept[k]:
            count += 1
            used += cost[k]
    for made in range(steps):
        if count == keep:
            return made
        scores(
            own,
            cost,
            by_cost,
            limit,
            keep,
            adding,
            active,
            gradient,
            kept,
            used,
            count,
            score,
        )
        best = active[0]
        for k in active:
            if score[k] < score[best]:
                best = k
        if score[best] >= NEVER:
            return made
        step = 1.0 if adding else -1.0
        kept[best] = adding
        count += 1 if adding else -1
        used += step * cost[best]
        add_column(Q, points, diagonal, best, 2.0 * step, active, gradient)
    return steps
