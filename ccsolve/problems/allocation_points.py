"""Points of a RateAllocation without search: cheap ones, and random ones."""

import numpy as np

from ccsolve.problems.allocation import RateAllocation


def feasible_point(problem: RateAllocation) -> np.ndarray | None:
    """Give a feasible point (L,), or None where none is found without a search.

    For one budget without pairs the cheapest options. Otherwise, for a few weights of
    the budgets, each layer in turn takes the option of least weighted cost, pairs with
    the layers decided before it counted; O(N·B + pair entries) for each weight.
    """
    for weights in _weights(problem):
        x = cheap_point(problem, weights)
        if problem.violation(x) == 0:
            return x
    return None


def cheap_point(problem: RateAllocation, weights: np.ndarray) -> np.ndarray:
    """Give each layer in turn its option of least Σ_b weights_b·cost_b, (L,)."""
    flat = problem.flat_costs @ weights
    if not problem.pair_costs:
        return _cheapest_options(flat, problem.offsets)
    own = np.split(flat, problem.offsets[1:-1])
    x = np.zeros(problem.n, dtype=np.int64)
    tables = {edge: table @ weights for edge, table in problem.pair_costs.items()}
    for layer in range(problem.n):
        paid = own[layer].copy()
        for (first, second), table in tables.items():
            if second == layer:
                paid += table[x[first]]
            elif first == layer:
                paid += table.min(axis=1)
        x[layer] = paid.argmin()
    return x


def _cheapest_options(costs: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Give the first option of least cost in each layer, (L,)."""
    least = np.minimum.reduceat(costs, offsets[:-1])
    attained = np.flatnonzero(costs == np.repeat(least, np.diff(offsets)))
    return attained[np.searchsorted(attained, offsets[:-1])] - offsets[:-1]


def natural_scale(problem: RateAllocation, points: int = 4, seed: int = 0) -> float:
    """Give the mean |loss| of random feasible points; nan where none is known.

    Each takes random options for as many layers, in random order, as the budgets allow,
    and the cheap feasible point's for the others.
    """
    start = feasible_point(problem)
    if start is None:
        return float("nan")
    rng = np.random.default_rng(seed)
    room = problem.limits - problem.spent(start)
    drawn = (_wandered(problem, start, room, rng) for _ in range(points))
    return float(np.mean([abs(problem.objective(x)) for x in drawn]))


def _wandered(
    problem: RateAllocation,
    start: np.ndarray,
    room: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    order, tried = rng.permutation(problem.n), rng.integers(problem.sizes)
    firsts = problem.offsets[:-1]
    paid, other = problem.flat_costs[firsts + start], problem.flat_costs[firsts + tried]
    fits = (np.cumsum((other - paid)[order], axis=0) <= room).all(axis=1)
    moved = order[np.logical_and.accumulate(fits)]
    x = start.copy()
    x[moved] = tried[moved]
    if problem.pair_costs and problem.violation(x) > 0:
        return start
    return x


def _weights(problem: RateAllocation) -> list[np.ndarray]:
    """Give weights of the budgets: relative to their limits, then each one alone."""
    scales = 1.0 / np.maximum(problem.limits, 1e-300)
    alone = np.eye(len(scales)) * scales
    # A little of the others, so that ties in one budget are broken by the rest.
    return [scales, *(alone + 0.01 * scales)]
