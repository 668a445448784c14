"""Better and better factors of given ranks, in the norm of any covariance."""

from collections.abc import Iterator, Sequence

import numpy as np

from ccsolve.linalg.gram import Leading, leading_subspace
from ccsolve.problems import LowRankFit
from ccsolve.solvers.low_rank.fitting.frames import Frame, frame_of
from ccsolve.solvers.low_rank.fitting.metric import metric_of, metric_sweep
from ccsolve.solvers.low_rank.fitting.starts import form_of
from ccsolve.solvers.low_rank.projecting.forms import (
    cold_form,
    factors_of,
    swept_form,
)

SETTLED = 1e-6
"""Relative fall of the objective in a sweep below which it is the last."""

Factors = list[np.ndarray]


def cold_fit(problem: LowRankFit, leading: Leading = leading_subspace) -> Factors:
    """Give factors of the problem's ranks from nothing.

    In its exact frame it is the truncated SVD, the TT-SVD, the HOSVD or the TR-SVD of
    the whitened tensor; of a covariance that has none, of one whitened nearly.
    """
    assert problem.ranks is not None
    frame = frame_of(problem)
    ranks = frame.ranks(problem.ranks)
    form = cold_form(frame.tensor, problem.format, ranks, leading)
    return frame.unseen(factors_of(form, frame.modes, ranks))


def refined_fits(problem: LowRankFit, start: Sequence[np.ndarray]) -> Iterator[Factors]:
    """Give factors after each sweep from ``start``, until sweeps no longer help.

    Each core is the best with the others held, so that the objective does not rise, but
    for rounding; what would is not given. Sweeps are orthogonal projections in an exact
    frame, both sides of a train; conjugate gradients on the normal equations without.
    """
    frame = frame_of(problem)
    sweeps = _by_projection(frame, start) if frame.exact else _by_metric(problem, start)
    value = problem.distance(start)
    for x in sweeps:
        new = problem.distance(x)
        if new < value:
            yield x
        if not new < (1.0 - SETTLED) * value:
            return
        value = new


def _by_projection(frame: Frame, start: Sequence[np.ndarray]) -> Iterator[Factors]:
    form, ranks = form_of(frame.problem.format, frame.seen(start))
    while True:
        form = swept_form(frame.tensor, swept_form(frame.tensor, form))
        yield frame.unseen(factors_of(form, frame.modes, ranks))


def _by_metric(problem: LowRankFit, start: Sequence[np.ndarray]) -> Iterator[Factors]:
    metric, x = metric_of(problem), list(start)
    dtype = problem.tensor.dtype
    while True:
        x = metric_sweep(problem, metric, x)
        yield [factor.astype(dtype) for factor in x]
