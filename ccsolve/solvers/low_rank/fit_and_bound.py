"""The best factors found, ranks chosen where they are not given, and a bound."""

import math
from collections.abc import Iterator

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import LowRankFit
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.answers import (
    Known,
    bounds,
    fitted_then_bounded,
)
from ccsolve.solvers.low_rank.bounding.cuts import cuts_of
from ccsolve.solvers.low_rank.choosing import chosen_fits
from ccsolve.solvers.low_rank.given_ranks import fits


def solve(
    problem: LowRankFit, limits: Limits, *, sweeps: int = 50, trials: int = 30
) -> Solution:
    """Fit factors, choose the ranks, and bound what any tensor of the kind can do.

    - Given ranks: ``tt_svd`` or ``hosvd``, then the bound by small unfoldings, the
      sweeps of ``als``, and the bound by large ones.
    - A budget or a tolerance: the spectra of all bonds first; they tell the ranks that
      are best by the sum of their tails. That sum is an upper bound of the loss, not
      the loss: these ranks are fitted, then neighbouring ones, and the best kept. With
      a tolerance, sums above it are tried as well.
    - The bound: see `lower_bound`. For "svd" and for two modes it meets the point, but
      for a covariance that acts on both sides of the bond at once. With given ranks,
      unfoldings with thousands on their smaller side wait for the time they take.

    Heuristic are the fits of three modes and more, and the ranks there. Cost: m²N for
    each bond with the smaller side m, and 8Nr for each sweep.

    Parameters
    ----------
    sweeps : most sweeps for one fit.
    trials : most fits of other ranks, where ranks are chosen.
    """
    whole_number("sweeps", sweeps, 0, 2**31)
    whole_number("trials", trials, 0, 2**31)
    if problem.asks == "ranks":
        given = fitted_then_bounded(problem, lambda fit: fits(fit, sweeps), limits)
        return run(given, limits)
    return run(_chosen(problem, sweeps, trials), limits)


def _chosen(problem: LowRankFit, sweeps: int, trials: int) -> Iterator[Step]:
    known: Known = {}
    x = problem.feasible_point()
    yield Step(x, problem.objective(x))
    yield from bounds(problem, cuts_of(problem), known)
    for fit in chosen_fits(problem, known, sweeps, trials):
        yield Step(fit.x, fit.value) if math.isfinite(fit.value) else Step()
