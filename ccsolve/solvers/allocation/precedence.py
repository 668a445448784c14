"""The precedence-constrained knapsack of HALP, for one budget."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.kernels.bucket_program import add_steps
from ccsolve.problems import RateAllocation
from ccsolve.solution import Solution
from ccsolve.solvers.allocation.staircase import (
    Stairs,
    checked_buckets,
    room,
    rounded_up,
    stairs,
)


def solve(
    problem: RateAllocation, limits: Limits, *, buckets: int = 10_000
) -> Solution:
    """Add steps of the layers in their order, as a 0/1 knapsack; a heuristic.

    HALP (Shen et al., NeurIPS 2022) keeps groups of channels: the g-th most important
    of a layer may be kept only with all more important ones, z_g ≤ z_{g-1}; its value
    is its importance, its weight the latency it adds. Here the groups are the steps
    between options of rising cost and falling loss, in value what the loss falls, in
    weight the buckets that the cost rises. The 0/1 program takes a step only from
    solutions that have taken the one before. It forgets the others, so that it is exact
    only where gains fall within a layer as their weight rises; no bound.

    Costs are rounded up to buckets of width (budget - cheapest)/``buckets``, all steps
    of a layer together, so that the point keeps the budget. O(N·buckets) time,
    O(L·buckets) memory; one budget, without pairs.

    Parameters
    ----------
    buckets : from 1 to 10⁷.

    Raises
    ------
    InvalidProblem
        For another number of buckets, or several budgets.
    """
    return run(_steps(problem, checked_buckets(buckets)), limits)


def _steps(problem: RateAllocation, buckets: int) -> Iterator[Step]:
    layers = stairs(problem)
    width = room(problem, float(problem.budgets[0])) / buckets
    sizes = [rounded_up(layer.costs, width) for layer in layers]
    best, kept = np.zeros(buckets + 1), []
    for layer, size in zip(layers, sizes, strict=True):
        after, steps = np.empty_like(best), np.empty(buckets + 1, dtype=np.int32)
        add_steps(best, -np.diff(layer.losses), np.diff(size), after, steps)
        kept.append(steps)
        best = after
        yield Step()
    x = _point(layers, sizes, kept, int(best.argmax()))
    if problem.violation(x) == 0:
        yield Step(x, problem.objective(x))


def _point(
    layers: list[Stairs], sizes: list[np.ndarray], kept: list[np.ndarray], left: int
) -> np.ndarray:
    """Follow the steps taken back from the last layer; ``left`` buckets at first."""
    x = np.zeros(len(layers), dtype=np.int64)
    for at in range(len(layers) - 1, -1, -1):
        option = int(kept[at][left])
        x[at] = layers[at].options[option]
        left -= int(sizes[at][option])
    return x
