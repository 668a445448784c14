"""TT-SVD: leading subspaces of the unfoldings, bond by bond, from Gram matrices."""

from ccsolve.iterate import Limits, run
from ccsolve.problems import LowRankFit
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.answers import fitted_then_bounded
from ccsolve.solvers.low_rank.fitting.fits import cold_fit


def solve(problem: LowRankFit, limits: Limits) -> Solution:
    """Fit an svd, a tensor train or a ring without iterations, and bound it.

    The truncated SVD, which is the best; the TT-SVD (Oseledets, SISC 33(5), 2011), at
    most √(d - 1) times the best error for d modes; the TR-SVD, a heuristic. Bonds of
    full rank are merged before, exactly, and each subspace comes from the smaller Gram
    matrix, in float64 where float32 would not do. Covariances of single modes whiten
    them first, singular ones too: with one on the second mode of "svd", U is made of
    the top eigenvectors of T·C·Tᵀ and Z = U·UᵀT. Of others a near one whitens, and the
    fit is only a start for ``als``. m²N for each bond with the smaller side m.
    """
    steps = fitted_then_bounded(problem, lambda fit: iter([cold_fit(fit)]), limits)
    return run(steps, limits)
