"""Feasible points of a ChannelSelection: one without search, and random ones."""

import numpy as np

from ccsolve.problems.selection import ChannelSelection


def feasible_point(problem: ChannelSelection) -> np.ndarray:
    """Give a feasible point by the separable part alone, (n,) bool; O(n log n).

    Channels are ranked by Q_ii + q_i; a budget falls back on the cheapest channels.
    """
    separable = problem.diagonal_of_Q() + problem.q
    return complete(problem, np.argsort(separable, kind="stable"), separable)


def random_point(problem: ChannelSelection, rng: np.random.Generator) -> np.ndarray:
    """Give a random feasible point, (n,) bool.

    Uniform over the subsets of size ``keep``; under a budget a random order is followed
    as far as it is affordable, without ``keep`` every channel is first tossed for.
    """
    order = rng.permutation(problem.n)
    tossed = rng.random(problem.n) - 0.5
    return complete(problem, order, tossed)


def natural_scale(problem: ChannelSelection, points: int = 16, seed: int = 0) -> float:
    """Give the mean |objective| of random feasible points: what no choice at all costs.

    The scale on which gaps are read where cancellation makes the optimum tiny.
    """
    rng = np.random.default_rng(seed)
    Z = np.column_stack([random_point(problem, rng) for _ in range(points)])
    Z = Z.astype(np.float64)
    values = (Z * problem.multiply(Z)).sum(axis=0) + problem.q @ Z + problem.constant
    return float(np.abs(values).mean())


def complete(
    problem: ChannelSelection, order: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Give the feasible point that follows ``order`` as far as the constraints allow.

    With ``keep`` the first channels of the order are taken, without it those of
    negative ``value``. A channel is skipped where the rest could no longer be afforded.
    """
    fixed = np.full(problem.n, -1) if problem.fixed is None else problem.fixed
    z = fixed == 1
    order = order[fixed[order] == -1]
    if problem.keep is None:
        order = order[value[order] < 0]
        wanted = order.size
    else:
        wanted = problem.keep - int(z.sum())
    if problem.cost is None:
        z[order[:wanted]] = True
        return z
    left = problem.budget_limit - float(problem.cost[z].sum())
    must = wanted if problem.keep is not None else 0
    z[_affordable(problem.cost, order, left, wanted, must)] = True
    return z


def _affordable(
    cost: np.ndarray, order: np.ndarray, left: float, wanted: int, must: int
) -> list[int]:
    """Follow the order within the budget, ending with at least ``must`` channels; O(n).

    It starts from the ``must`` cheapest, which are affordable together, and lets each
    channel of the order replace the dearest that the order has not reached yet.
    """
    cheapest = order[np.argsort(cost[order], kind="stable")][:must]
    left -= float(cost[cheapest].sum())
    replaceable = [int(i) for i in cheapest]
    chosen, confirmed = set(replaceable), set[int]()
    for channel in map(int, order):
        if len(confirmed) == wanted:
            break
        if channel in chosen:
            confirmed.add(channel)
            continue
        while replaceable and replaceable[-1] in confirmed:
            replaceable.pop()
        if must and not replaceable:
            break
        freed = float(cost[replaceable[-1]]) if replaceable else 0.0
        if cost[channel] - freed <= left:
            if replaceable:
                chosen.remove(replaceable.pop())
            chosen.add(channel)
            confirmed.add(channel)
            left -= float(cost[channel]) - freed
    return sorted(chosen)
