"""Better and better factors of given ranks, in the problem's norm."""

from collections.abc import Iterator

import numpy as np

from ccsolve.problems import LowRankFit
from ccsolve.problems.tensor_formats import Ranks, fitting_ranks, full_ranks
from ccsolve.solvers.low_rank.fitting.frames import Frame, frame_of
from ccsolve.solvers.low_rank.fitting.metric import metric_of, metric_sweep
from ccsolve.solvers.low_rank.projecting.tucker import along
from ccsolve.solvers.low_rank.projection import Projected, project

SETTLED = 1e-7
"""Relative fall of the error in a sweep below which it is taken for the last."""

Factors = list[np.ndarray]


def fits(problem: LowRankFit, sweeps: int) -> Iterator[Factors]:
    """Give factors of the problem's ranks: cold, then after each sweep.

    Where every covariance acts on a single mode they are projections in a frame that
    makes it the identity, and for "svd" the first is the best. Where one acts on
    several modes, sweeps solve normal equations. The matrices of whole modes are units.
    """
    frame = frame_of(problem)
    now = project(frame.tensor, problem.format, _ranks_in(frame))
    first = frame.unseen(now.factors)
    rest = (
        _in_frame(frame, now, sweeps)
        if frame.exact
        else _of_metric(problem, first, sweeps)
    )
    yield _finished(problem, first)
    for x in rest:
        yield _finished(problem, x)


def _ranks_in(frame: Frame) -> Ranks:
    """Give the ranks, lowered to what the frame's modes have room for."""
    problem = frame.problem
    assert problem.ranks is not None
    most = map(min, problem.ranks, full_ranks(problem.format, frame.modes))
    return fitting_ranks(problem.format, frame.modes, tuple(most))


def _in_frame(frame: Frame, now: Projected, sweeps: int) -> Iterator[Factors]:
    format = frame.problem.format
    for _ in range(0 if format == "svd" else sweeps):
        before, now = now, project(frame.tensor, format, now.ranks, warm=now)
        yield frame.unseen(now.factors)
        if now.error >= (1.0 - SETTLED) * before.error:
            return


def _of_metric(problem: LowRankFit, x: Factors, sweeps: int) -> Iterator[Factors]:
    metric, value = metric_of(problem), problem.distance(x)
    for _ in range(sweeps):
        x = metric_sweep(problem, metric, x)
        before, value = value, problem.distance(x)
        yield x
        if value >= (1.0 - SETTLED) * before:
            return


def _finished(problem: LowRankFit, factors: Factors) -> Factors:
    """Give the factors in the tensor's type, whole modes' matrices in the core."""
    found = list(factors)
    for mode in problem.whole:
        found[0] = along(found[0], found[mode + 1], mode)
        found[mode + 1] = np.eye(problem.modes[mode])
    dtype = problem.tensor.dtype
    return [np.ascontiguousarray(factor, dtype=dtype) for factor in found]
