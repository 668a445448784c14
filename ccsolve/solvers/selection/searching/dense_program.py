"""The dense program that the search kernels run on, and the state of one search."""

import numpy as np

from ccsolve.kernels.search_state import BEST, Program, Walk
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import frozen

FORMED_LIMIT = 4096
"""Largest n for which the heuristics form a factored Q: 134 MB, a column in 1 µs."""


def dense_program(problem: ChannelSelection) -> Program:
    """Give a problem as the kernels take it; a factored Q is formed, O(mn²)."""
    cost = np.zeros(problem.n) if problem.cost is None else problem.cost
    return program_from(
        np.ascontiguousarray(problem.dense()),
        problem.q,
        cost,
        problem.budget_limit,
        problem.keep,
        problem.resolution,
    )


def program_from(
    Q: np.ndarray,
    q: np.ndarray,
    cost: np.ndarray,
    limit: float,
    keep: int | None,
    tolerance: float,
) -> Program:
    """Give the program of these arrays, which become read-only; O(n²)."""
    # Kernels are compiled once per type, and read-only is part of the type.
    return Program(
        Q=frozen(Q),
        q=frozen(q),
        cost=frozen(cost),
        limit=float(limit),
        keep=-1 if keep is None else int(keep),
        tolerance=float(tolerance),
        pair_gain=2.0 * _largest_off_diagonal(Q),
    )


def _largest_off_diagonal(Q: np.ndarray) -> float:
    n = Q.shape[0]
    if n < 2:
        return 0.0
    # Leaving out every (n+1)-th entry of the flat array leaves out the diagonal.
    return float(Q.ravel()[:-1].reshape(n - 1, n + 1)[:, 1:].max())


def value_of(program: Program, z: np.ndarray) -> float:
    """Give zᵀQz + qᵀz; O(n²)."""
    point = z.astype(np.float64)
    return float(point @ (program.Q @ point) + program.q @ point)


def best_of(walk: Walk) -> tuple[np.ndarray, float]:
    """Give the best point of a search, (n,) bool, and its value."""
    return walk.best_sign < 0, float(walk.totals[BEST])


def walk_from(program: Program, z: np.ndarray) -> Walk:
    """Give the state of a search that starts at a point; O(n²)."""
    point = z.astype(np.float64)
    product = program.Q @ point
    sign = np.where(z, -1.0, 1.0)
    value = float(point @ product + program.q @ point)
    return Walk(
        change=np.diagonal(program.Q) + sign * (2.0 * product + program.q),
        sign=sign,
        held_until=np.zeros(z.size, dtype=np.int64),
        totals=np.array([value, value, float(program.cost[z].sum())]),
        clock=np.zeros(2, dtype=np.int64),
        best_sign=sign.copy(),
    )
