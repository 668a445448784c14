"""Randomised subspaces, for tensors whose Gram matrices are too large."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.linalg.gram import Leading, Subspace
from ccsolve.linalg.randomised import sampled_subspace
from ccsolve.problems import LowRankFit
from ccsolve.problems.checks import whole_number
from ccsolve.problems.tensor_formats import Ranks
from ccsolve.solution import Solution
from ccsolve.solvers.low_rank.answers import points
from ccsolve.solvers.low_rank.bounding.rank_choice import chosen_ranks
from ccsolve.solvers.low_rank.fitting.fits import cold_fit


def solve(
    problem: LowRankFit,
    limits: Limits,
    *,
    seed: int = 0,
    oversample: int = 8,
    power: int = 2,
) -> Solution:
    """Fit by random samples of the unfoldings' spans instead of by Gram matrices.

    As ``tt_svd`` and ``hosvd``, each subspace of a bond of rank r from r + oversample
    random combinations of columns and ``power`` steps of subspace iteration: 4(power +
    1)·N(r + oversample), nothing of the size m². Worth it where the smaller side of an
    unfolding is in the thousands and far above r. No bound; ranks that are not
    given still take the spectra of all bonds, and grow until a tolerance is met.

    Parameters
    ----------
    oversample : columns beyond the rank that are looked at.
    power : steps; spectra of weights fall slowly and want two or more.

    Raises
    ------
    InvalidProblem
        For a malformed option.
    """
    whole_number("oversample", oversample, 0, 2**31)
    whole_number("power", power, 0, 100)
    rng = np.random.default_rng(seed)

    def leading(A: np.ndarray, rank: int) -> Subspace:
        return sampled_subspace(A, rank, rng, oversample, power)

    return run(_steps(problem, leading), limits)


def _steps(problem: LowRankFit, leading: Leading) -> Iterator[Step]:
    ranks = chosen_ranks(problem)
    if problem.asks != "ranks":
        x = problem.feasible_point()
        yield Step(x, problem.objective(x))
    while True:
        x = cold_fit(problem.with_ranks(ranks), leading)
        yield from points(problem, iter([x]))
        wider = _wider(problem, ranks)
        met = problem.asks != "tolerance" or problem.violation(x) == 0
        if met or wider == ranks:
            return
        ranks = wider


def _wider(problem: LowRankFit, ranks: Ranks) -> Ranks:
    """Give a few more ranks: samples miss what decompositions just reach."""
    pairs = zip(ranks, problem.full_ranks, strict=True)
    return tuple(min(full, rank + 1 + rank // 50) for rank, full in pairs)
