"""One sweep from factors of a tensor nearby: the step of loops."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import LowRankFit
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.answers import checked_start, points
from ccsolve.solvers.low_rank.bounding.rank_choice import chosen_ranks
from ccsolve.solvers.low_rank.fitting.fits import cold_fit, refined_fits


def solve(problem: LowRankFit, limits: Limits, *, start: Any = None) -> Solution:
    """Improve factors of a nearby tensor by one sweep of alternating least squares.

    For loops that fit nearly the same tensor again and again: 8Nr, no decomposition and
    no bound. Loops that need the tensor Z itself rather call `project`, which also
    watches what a warm start cannot find.

    Parameters
    ----------
    start : feasible factors, whose ranks stay; by default truncated decompositions, as
        by ``tt_svd`` or ``hosvd``.

    Raises
    ------
    InvalidProblem
        For an infeasible start.
    """
    return run(_steps(problem, checked_start(problem, start)), limits)


def _steps(problem: LowRankFit, start: list[np.ndarray] | None) -> Iterator[Step]:
    if start is None:
        x = problem.feasible_point()
        yield Step(x, problem.objective(x))
        start = cold_fit(problem.with_ranks(chosen_ranks(problem)))
    swept = islice(refined_fits(problem, start), 1)
    yield from points(problem, chain([start], swept))
