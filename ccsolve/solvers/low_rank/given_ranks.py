"""Better and better factors of given ranks, with whole modes left as they are."""

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np

from ccsolve.problems import LowRankFit
from ccsolve.problems.tensor_formats import factor_shapes
from ccsolve.solvers.low_rank.fitting.fits import cold_fit, refined_fits
from ccsolve.solvers.low_rank.projecting.tucker import along

Factors = list[np.ndarray]


def fits(problem: LowRankFit, sweeps: int) -> Iterator[Factors]:
    """Give factors of the problem's ranks: from nothing, then after each sweep.

    A truncated SVD in a norm of single modes is the best at once. The matrices of whole
    modes are units. Rings are started twice, and the second may be the worse.
    """
    problem = _as_train(problem)
    first = cold_fit(problem)
    yield _finished(problem, first)
    modewise = all(block.stop - block.start == 1 for block in problem.blocks)
    if problem.format == "svd" and modewise:
        return
    for start in (first, *_others(problem)):
        for x in islice(refined_fits(problem, start), sweeps):
            yield _finished(problem, x)


def _others(problem: LowRankFit) -> Iterator[Factors]:
    """Give another start for a ring, random: its first cut is a guess.

    The bonds on both sides of the cut share its rank, and nothing tells how.
    """
    if problem.format != "tr":
        return
    assert problem.ranks is not None
    rng = np.random.default_rng(0)
    shapes = factor_shapes("tr", problem.modes, problem.ranks)
    yield [
        rng.standard_normal(shape).astype(problem.tensor.dtype) / math.sqrt(shape[2])
        for shape in shapes
    ]


def _as_train(problem: LowRankFit) -> LowRankFit:
    """Give a ring with r_0 = 1 as the train that it is, whose sweeps are quicker."""
    ranks = problem.ranks
    if problem.format != "tr" or ranks is None or ranks[0] > 1:
        return problem
    return LowRankFit(
        problem.tensor, "tt", ranks=ranks[1:], covariance=problem.covariance
    )


def _finished(problem: LowRankFit, factors: Factors) -> Factors:
    """Give the factors in C order, whole modes' matrices moved into the core."""
    found = list(factors)
    for mode in problem.whole:
        found[0] = along(found[0], found[mode + 1], mode)
        found[mode + 1] = np.eye(problem.modes[mode])
    dtype = problem.tensor.dtype
    return [np.ascontiguousarray(factor, dtype=dtype) for factor in found]
