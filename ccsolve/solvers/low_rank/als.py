"""Alternating least squares: each factor in turn the best for the others."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from ccsolve.iterate import Limits, run
from ccsolve.problems import LowRankFit
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.answers import (
    Factors,
    checked_start,
    fitted_then_bounded,
)
from ccsolve.solvers.low_rank.fitting.fits import cold_fit, refined_fits


def solve(
    problem: LowRankFit, limits: Limits, *, sweeps: int = 50, start: Any = None
) -> Solution:
    """Refine a TT-SVD, HOSVD or TR-SVD, or a start, by sweeps; the error never rises.

    Where the covariance acts on single modes, or there is none, each core is replaced
    by an orthogonal projection of the whitened tensor; a general covariance, singular
    or not, is met by conjugate gradients on the normal equations of each factor. A
    local optimum, bounded like every other. 4Nr for a sweep, and conjugate gradients 12
    times 4Nr + Np for each factor, p the covariance's size.

    Parameters
    ----------
    sweeps : most of them; they end where one lowers the objective by less than 1e-6.
    start : feasible factors; their ranks stay as they are.

    Raises
    ------
    InvalidProblem
        For a malformed option or an infeasible start.
    """
    whole_number("sweeps", sweeps, 0, 2**31)
    point = checked_start(problem, start)

    def fits(fit: LowRankFit) -> Iterator[Factors]:
        first = cold_fit(fit) if point is None else point
        yield first
        yield from islice(refined_fits(fit, first), sweeps)

    return run(fitted_then_bounded(problem, fits, limits), limits)
