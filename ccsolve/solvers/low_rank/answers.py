"""What the methods of LowRankFit share: ranks, points and bounds as steps."""

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits, Step
from ccsolve.problems import LowRankFit
from ccsolve.solvers.low_rank.bounding.cuts import Cut, cuts_of, smaller_side
from ccsolve.solvers.low_rank.bounding.lower_bounds import lower_bound
from ccsolve.solvers.low_rank.bounding.rank_choice import chosen_ranks
from ccsolve.solvers.low_rank.bounding.unfoldings import (
    CutLosses,
    across_of,
    losses_of,
)

QUICK = 1024
"""Side of an unfolding, and of a covariance that it cuts, up to which its spectrum is
taken before a fit is refined."""

OVERTIME = 3.0
"""How much longer than the time left a decomposition may be expected to take."""

SPEED = 2e10
"""Operations a second, one thread, as a guess."""

Known = dict[Cut, CutLosses]
Factors = list[np.ndarray]
Fits = Callable[[LowRankFit], Iterator[Factors]]
"""What gives factors, better and better, of a problem whose ranks are given."""


def fitted_then_bounded(
    problem: LowRankFit, fits: Fits, limits: Limits
) -> Iterator[Step]:
    """Give a point and bounds, then better points; without ranks the bounds first.

    They tell the ranks then, by the losses of all bonds. Factors that miss a tolerance
    are not given: the tensor itself is, before. The bounds of large unfoldings, which
    take longer than points, come last, and not where the time left is far too short:
    their decompositions cannot be interrupted.
    """
    known: Known = {}
    cuts = cuts_of(problem)
    if problem.asks == "ranks":
        found = points(problem, fits(problem))
        quick = [cut for cut in cuts if _side(problem, cut) <= QUICK]
        yield from islice(found, 1)
        yield from bounds(problem, quick, known)
        yield from found
        large = [cut for cut in cuts if cut not in quick]
        yield from bounds(problem, large, known, OVERTIME * limits.remaining())
        return
    x = problem.feasible_point()
    yield Step(x, problem.objective(x))
    yield from bounds(problem, cuts, known)
    fit = problem.with_ranks(chosen_ranks(problem, known))
    yield from points(problem, fits(fit))


def points(problem: LowRankFit, fits: Iterator[Factors]) -> Iterator[Step]:
    """Give a step for each list of factors, an empty one where it is infeasible."""
    for x in fits:
        feasible = problem.violation(x) == 0
        yield Step(x, problem.objective(x)) if feasible else Step()


def bounds(
    problem: LowRankFit, cuts: list[Cut], known: Known, seconds: float = math.inf
) -> Iterator[Step]:
    """Give the bound after each cut, which is then known; first that of no cut.

    Cuts that are likely to take longer than ``seconds`` are left out.
    """
    yield Step(bound=lower_bound(problem, known))
    for cut in cuts:
        if _seconds(problem, cut) > seconds:
            continue
        known[cut] = losses_of(problem, cut)
        yield Step(bound=lower_bound(problem, known))


def _side(problem: LowRankFit, cut: Cut) -> int:
    """Give the largest side of the matrices whose spectra are taken."""
    sizes = [len(block.root) for block in across_of(problem, cut)]
    return max([smaller_side(problem.modes, cut.side), *sizes])


def _seconds(problem: LowRankFit, cut: Cut) -> float:
    """Give about what a cut takes: a Gram matrix and its eigenvectors.

    Through a covariance it takes three of these, and the minorants of which they are:
    a dozen eigenvalue problems and factorisations, as measured.
    """
    m = smaller_side(problem.modes, cut.side)
    work = 2.0 * m * problem.tensor.size + 25.0 * m**3
    across = [float(len(block.root)) for block in across_of(problem, cut)]
    if across:
        work = 3.0 * work + sum(120.0 * p**3 for p in across)
    return work / SPEED


def checked_start(problem: LowRankFit, start: Any) -> Factors | None:
    """Give a start as arrays of the tensor's type; InvalidProblem where infeasible."""
    if start is None:
        return None
    if not isinstance(start, list | tuple):
        raise InvalidProblem(
            f"start is a {type(start).__name__}; expected a list of factors"
        )
    violation = problem.violation(start)
    if violation > 0:
        raise InvalidProblem(
            f"start violates the problem's ranks, tolerance or budget by "
            f"{violation:g}; give feasible factors"
        )
    dtype = problem.tensor.dtype
    return [np.ascontiguousarray(factor, dtype=dtype) for factor in start]
