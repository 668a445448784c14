"""The bucketed dynamic program of SPDY, for one budget."""

from collections.abc import Callable, Generator, Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.kernels.bucket_program import add_layer
from ccsolve.linalg.rounding import gamma
from ccsolve.problems import RateAllocation
from ccsolve.solution import Solution
from ccsolve.solvers.allocation.staircase import (
    FINE,
    Stairs,
    checked_buckets,
    room,
    rounded_down,
    rounded_up,
    stairs,
)


def solve(
    problem: RateAllocation, limits: Limits, *, buckets: int = 10_000
) -> Solution:
    """Solve the allocation with costs in whole buckets; a point and a bound.

    The dynamic program of SPDY (Frantar and Alistarh, ICML 2022): with D_l(b) the least
    loss of the first l layers in b buckets,

        D_l(b) = min_i D_{l-1}(b - bucket_i) + loss_i.

    Costs count beyond each layer's cheapest option, so that the cheapest choice always
    fits, in buckets of width (budget - cheapest)/``buckets``. Rounded up (the authors
    round to the nearest, which can exceed the budget), the point keeps the budget, and
    is as good as any that keeps it with L widths to spare. Rounded down, the same
    program gives a proven bound: no point is below it, its sums' rounding outward.

    O(N·buckets) time, twice, and O(L·buckets) memory; one budget, without pairs.

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
    chosen: list[np.ndarray] = []
    best = yield from _program(layers, buckets, width, rounded_up, chosen)
    x = _point(layers, chosen, width, int(best.argmin()))
    yield Step(x, problem.objective(x)) if problem.violation(x) == 0 else Step()
    yield from _bound(problem, layers, buckets)


def _bound(
    problem: RateAllocation, layers: list[Stairs], buckets: int
) -> Iterator[Step]:
    """Bound by costs rounded down; the rounding slack of the budget is room as well."""
    own, with_slack = (
        room(problem, float(allowed[0]))
        for allowed in (problem.budgets, problem.limits)
    )
    width = max(own, with_slack - own) / buckets
    fits = int(with_slack / width * (1.0 + 2.0 * FINE)) if width > 0 else 0
    best = yield from _program(layers, fits, width, rounded_down, [])
    size = sum(float(np.abs(layer.losses).max()) for layer in layers)
    yield Step(bound=float(best.min()) - gamma(problem.n + 4) * size)


def _program(
    layers: list[Stairs],
    buckets: int,
    width: float,
    rounded: Callable[[np.ndarray, float], np.ndarray],
    chosen: list[np.ndarray],
) -> Generator[Step, None, np.ndarray]:
    """Return D_L (buckets + 1,), one step per layer; append what each b takes."""
    best = np.zeros(buckets + 1)
    for layer in layers:
        sizes = rounded(layer.costs, width)
        after, options = np.empty(buckets + 1), np.empty(buckets + 1, dtype=np.int32)
        add_layer(best, layer.losses, sizes, after, options)
        chosen.append(options)
        best = after
        yield Step()
    return best


def _point(
    layers: list[Stairs], chosen: list[np.ndarray], width: float, left: int
) -> np.ndarray:
    """Follow the options taken back from the last layer; ``left`` buckets at first."""
    x = np.zeros(len(layers), dtype=np.int64)
    for at in range(len(layers) - 1, -1, -1):
        option = int(chosen[at][left])
        x[at] = layers[at].options[option]
        left -= int(rounded_up(layers[at].costs, width)[option])
    return x
