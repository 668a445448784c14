"""Better and better factors of given ranks, in the problem's norm."""

from collections.abc import Iterator

import numpy as np

from ccsolve.problems import LowRankFit
from ccsolve.problems.tensor_formats import Modes, Ranks, fitting_ranks, full_ranks
from ccsolve.solvers.low_rank.projection import project
from ccsolve.solvers.low_rank.whitening import (
    unwhitened,
    whitened_tensor,
)

SETTLED = 1e-7
"""Relative fall of the error in a sweep below which it is taken for the last."""


def fits(problem: LowRankFit, sweeps: int) -> Iterator[list[np.ndarray]]:
    """Give factors of the problem's ranks: cold, then after each sweep.

    They end where sweeps no longer help: at once for "svd", which is exact.
    """
    assert problem.ranks is not None
    W = whitened_tensor(problem)
    ranks = _ranks_of_whitened(problem.format, W.shape, problem.ranks)
    now = project(W, problem.format, ranks)
    yield unwhitened(problem, now.factors)
    for _ in range(0 if problem.format == "svd" else sweeps):
        before, now = now, project(W, problem.format, ranks, warm=now)
        yield unwhitened(problem, now.factors)
        if now.error >= (1.0 - SETTLED) * before.error:
            return


def _ranks_of_whitened(format: str, modes: Modes, ranks: Ranks) -> Ranks:
    """Lower ranks to what the whitened modes, which may be shorter, can have."""
    most = map(min, ranks, full_ranks(format, modes))
    return fitting_ranks(format, modes, tuple(most))
