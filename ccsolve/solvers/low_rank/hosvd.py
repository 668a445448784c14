"""HOSVD: leading subspaces of the modes, one after the other, from Gram matrices."""

from ccsolve.iterate import Limits, run
from ccsolve.problems import LowRankFit
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.answers import fitted_then_bounded
from ccsolve.solvers.low_rank.fitting.fits import cold_fit


def solve(problem: LowRankFit, limits: Limits) -> Solution:
    """Fit a Tucker tensor without iterations, and bound it.

    The sequentially truncated HOSVD (Vannieuwenhoven et al., SISC 34, 2012), at most
    √(compressed modes) times the best error. With the first and last mode alone
    compressed it is a train of three modes. Covariances as of ``tt_svd``.
    """
    steps = fitted_then_bounded(problem, lambda fit: iter([cold_fit(fit)]), limits)
    return run(steps, limits)
