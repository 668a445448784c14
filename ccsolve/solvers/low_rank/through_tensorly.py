"""The fits of tensorly, as an oracle."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from tensorly import backend
from tensorly.decomposition import tensor_ring, tensor_train, tucker
from tensorly.tenalg import svd_interface

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import LowRankFit
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution

MOST_STEPS = 100
"""Iterations of tensorly's HOOI by default."""


def solve(
    problem: LowRankFit, limits: Limits, *, iterations: int = MOST_STEPS
) -> Solution:
    """Fit given ranks by tensorly's functions; one step, no bound.

    "svd" by ``svd_interface``, "tt" by ``tensor_train`` and "tr" by ``tensor_ring``,
    which take an SVD of every unfolding; "tucker" by ``tucker``, higher-order
    orthogonal iteration. It is here to be compared with.

    Parameters
    ----------
    iterations : most of them, "tucker" alone.
    """
    whole_number("iterations", iterations, 1, 2**31)
    return run(_steps(problem, iterations), limits)


def _steps(problem: LowRankFit, iterations: int) -> Iterator[Step]:
    context = backend.backend_context  # pyright: ignore[reportAttributeAccessIssue]
    with context("numpy"):
        factors = _fitted(problem, iterations)
    x = [np.ascontiguousarray(f, dtype=problem.tensor.dtype) for f in factors]
    yield Step(x, problem.objective(x))


def _fitted(problem: LowRankFit, iterations: int) -> list[np.ndarray]:
    ranks, tensor = problem.ranks, problem.tensor
    assert ranks is not None
    if problem.format == "svd":
        U, values, V = svd_interface(tensor, n_eigenvecs=ranks[0])
        return [U * values, V]
    if problem.format == "tucker":
        found: Any = tucker(tensor, list(ranks), n_iter_max=iterations)
        core, bases = found
        return [core, *bases]
    if problem.format == "tt":
        return list(tensor_train(tensor, [1, *ranks, 1]))
    return list(tensor_ring(tensor, [*ranks, ranks[0]]))
