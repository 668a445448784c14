"""The best factors found, ranks chosen where they are not given, and a bound."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import LowRankFit
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.bounding.cuts import Cut, cuts_of, smaller_side
from ccsolve.solvers.low_rank.bounding.lower_bounds import lower_bound
from ccsolve.solvers.low_rank.bounding.unfoldings import CutLosses, losses_of
from ccsolve.solvers.low_rank.choosing import chosen_fits
from ccsolve.solvers.low_rank.given_ranks import fits

QUICK = 1024
"""Side of an unfolding up to which its spectrum is taken before the fit is refined."""

Known = dict[Cut, CutLosses]


def solve(
    problem: LowRankFit, limits: Limits, *, sweeps: int = 30, trials: int = 30
) -> Solution:
    """Fit factors, choose the ranks, and bound what any tensor of the kind can do.

    - Given ranks: a truncated SVD per bond (of Gram matrices, or the closed form for
      "svd"), refined by alternating least squares.
    - A budget or a tolerance: the spectra of all bonds first; they tell the ranks that
      are best by the sum of their tails. Then these are fitted, and neighbouring ranks,
      and the better ones kept: the sum is an upper bound of the loss, not the loss.
    - The bound: see `lower_bound`. For "svd" and for two modes it meets the point.

    Heuristic are the fits of three modes and more, and the ranks there. Cost: m²N for
    each bond with the smaller side m, and 4Nr for each sweep.

    Parameters
    ----------
    sweeps : most sweeps for one fit.
    trials : most fits of other ranks, where ranks are chosen.
    """
    whole_number("sweeps", sweeps, 0, 2**31)
    whole_number("trials", trials, 0, 2**31)
    if problem.asks == "ranks":
        return run(_given(problem, sweeps), limits)
    return run(_chosen(problem, sweeps, trials), limits)


def _given(problem: LowRankFit, sweeps: int) -> Iterator[Step]:
    known: Known = {}
    cuts = cuts_of(problem)
    quick = [cut for cut in cuts if smaller_side(problem.modes, cut.side) <= QUICK]
    refined = fits(problem, sweeps)
    yield _step(problem, next(refined))
    yield from _bounds(problem, quick, known)
    for x in refined:
        yield _step(problem, x)
    yield from _bounds(problem, [cut for cut in cuts if cut not in quick], known)


def _chosen(problem: LowRankFit, sweeps: int, trials: int) -> Iterator[Step]:
    known: Known = {}
    yield _step(problem, problem.feasible_point())
    yield from _bounds(problem, cuts_of(problem), known)
    for x in chosen_fits(problem, known, sweeps, trials):
        yield _step(problem, x)


def _bounds(problem: LowRankFit, cuts: list[Cut], known: Known) -> Iterator[Step]:
    """Give the bound after each cut; the first, of no cut, is never missing."""
    yield Step(bound=lower_bound(problem, known))
    for cut in cuts:
        known[cut] = losses_of(problem, cut)
        yield Step(bound=lower_bound(problem, known))


def _step(problem: LowRankFit, x: list[np.ndarray]) -> Step:
    """Give the point, or nothing where the tolerance is missed."""
    if problem.violation(x) > 0:
        return Step()
    return Step(x, problem.objective(x))
