"""One sweep from factors of a tensor nearby: the step of loops."""

from itertools import chain, islice
from typing import Any

from ccsolve.iterate import Limits, run
from ccsolve.problems import LowRankFit
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.answers import checked_start, points
from ccsolve.solvers.low_rank.fitting.fits import refined_fits


def solve(problem: LowRankFit, limits: Limits, *, start: Any = None) -> Solution:
    """Improve factors of a nearby tensor by one sweep of alternating least squares.

    For loops that fit nearly the same tensor again and again: 8Nr, no decomposition and
    no bound. Loops that need the tensor Z itself rather call `project`, which also
    watches what a warm start cannot find.

    Parameters
    ----------
    start : feasible factors, whose ranks stay; by default those of ``problem``'s
        feasible point.

    Raises
    ------
    InvalidProblem
        For an infeasible start.
    """
    point = checked_start(problem, start) or problem.feasible_point()
    fits = chain([point], islice(refined_fits(problem, point), 1))
    return run(points(problem, fits), limits)
