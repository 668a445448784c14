"""Optima by scoring every point in plain numpy: what methods are checked against."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems import (
    ChannelSelection,
    NetworkSelection,
    RateAllocation,
    ReconstructionSelection,
)

BRUTE_FORCE_LIMIT = 18
"""Largest n of a selection that `brute_force` enumerates: 262,144 points."""

MOST_POINTS = 2**BRUTE_FORCE_LIMIT


def enumerable(problem: Any) -> bool:
    """Say whether `brute_force` takes the problem."""
    return 0 < points(problem) <= MOST_POINTS


def points(problem: Any) -> int:
    """Give the number of points to score; 0 where they cannot be counted."""
    match problem:
        case ChannelSelection() | ReconstructionSelection() | NetworkSelection():
            return 2**problem.n
        case RateAllocation():
            return math.prod(problem.sizes.tolist())
    return 0


def brute_force(problem: Any) -> tuple[Any, float]:
    """Give the optimum by scoring every point; (None, inf) where none is feasible.

    Independent of every kernel: it shares no code with any method.
    """
    if not enumerable(problem):
        raise InvalidProblem(
            f"{problem!r} has {points(problem)} points to score; brute force takes 1 "
            f"to {MOST_POINTS}, n <= {BRUTE_FORCE_LIMIT}"
        )
    if isinstance(problem, ChannelSelection):
        return _best_selection(problem)
    best, value = None, math.inf
    for x in _every_point(problem):
        if problem.violation(x) == 0 and (found := problem.objective(x)) < value:
            best, value = x, found
    return best, value


def _every_point(problem: Any) -> Iterator[np.ndarray]:
    if isinstance(problem, ReconstructionSelection):
        for kept in itertools.combinations(range(problem.n), problem.keep):
            yield np.isin(np.arange(problem.n), kept)
    elif isinstance(problem, NetworkSelection):
        for z in itertools.product((False, True), repeat=problem.n):
            yield np.array(z)
    else:
        for x in itertools.product(*map(range, problem.sizes.tolist())):
            yield np.array(x)


def _best_selection(problem: ChannelSelection) -> tuple[np.ndarray, float]:
    """Score all points at once: a matrix product is many times quicker."""
    every = np.array(list(itertools.product((0.0, 1.0), repeat=problem.n)))
    feasible = every[[problem.violation(z) == 0 for z in every]]
    Q = problem.dense()
    values = ((feasible @ Q) * feasible).sum(axis=1) + feasible @ problem.q
    best = int(values.argmin())
    return feasible[best].astype(bool), float(values[best] + problem.constant)
