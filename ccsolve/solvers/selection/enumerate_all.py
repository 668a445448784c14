"""Every feasible point, in Gray-code order: the oracle of the tests."""

import math
from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.kernels.enumeration import score_points, score_subsets
from ccsolve.linalg.rounding import EPS
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import frozen
from ccsolve.problems.exactness import forming_error
from ccsolve.solution import Solution
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.lattice import lattice_of
from ccsolve.solvers.selection.relaxing.rounding import first_step

CHUNK = 2**16
"""Points in one step: a few milliseconds."""


def solve(problem: ChannelSelection, limits: Limits) -> Solution:
    """Score every feasible point; at the end the best is proven to be the optimum.

    Subsets of size ``keep`` in revolving-door order, all points in reflected Gray-code
    order without ``keep``: each is one swap or flip from the one before, O(n) to score,
    about 10⁷ points a second. Until the last point is scored the bound is that of a
    tangent; then it is the optimum less the rounding in the running values, for dense
    data below the problem's resolution as a rule. Takes n ≤ 40, dense or factored.
    """
    return run(_steps(problem), limits)


def _steps(problem: ChannelSelection) -> Iterator[Step]:
    yield first_step(problem, plain_form(problem))
    best, value = np.zeros(problem.n), math.inf
    for value in _chunks(problem, best):
        if value < math.inf:
            z = best > 0
            yield Step(z, problem.objective(z))
        else:
            yield Step()
    z = best > 0
    bound = problem.constant + value - _drift(problem)
    yield Step(z, problem.objective(z), lattice_of(problem).raised(bound))


def _chunks(problem: ChannelSelection, best: np.ndarray) -> Iterator[float]:
    """Write the best point so far into ``best``; give its value, inf if none."""
    # Kernels are compiled once per type, and read-only is part of the type.
    Q, q, n = frozen(problem.dense()), problem.q, problem.n
    cost = frozen(np.empty(0)) if problem.cost is None else problem.cost
    limit, value = problem.budget_limit, math.inf
    if problem.keep is None:
        z, points = np.zeros(n), 2**n
        for start in range(0, points, CHUNK):
            count = min(CHUNK, points - start)
            value = score_points(Q, q, cost, limit, z, start, best, value, count)
            yield value
        return
    members, points = np.arange(problem.keep), math.comb(n, problem.keep)
    for start in range(0, points, CHUNK):
        count = min(CHUNK, points - start)
        value = score_subsets(Q, q, cost, limit, members, best, value, count)
        yield value


def _drift(problem: ChannelSelection) -> float:
    """Bound the rounding in a running value, with u = EPS/2 and H ≥ |2Qz + q|.

    Between two refreshes (16 moves) each move adds to an entry of 2Qz + q at most 3uH,
    to the value what two entries are off plus 12uH; a refresh starts with nuH in each
    entry and 2n²uH in the value: (16²·3 + 16·12 + 32n + 2n²)uH together. A factored Q
    is formed, which rounds too.
    """
    n, Q = problem.n, problem.dense()
    gradient = float((2.0 * np.abs(Q).sum(axis=1) + np.abs(problem.q)).max())
    drift = (960 + 32 * n + 2 * n * n) * 0.5 * EPS * gradient
    return drift + forming_error(problem) + 2 * EPS * abs(problem.constant)
