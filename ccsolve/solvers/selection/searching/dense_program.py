"""The dense program that the search kernels run on, and the state of one search."""

from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.swap_search import BEST
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import frozen

FORMED_LIMIT = 4096
"""Largest n for which the heuristics form a factored Q: 134 MB, a column in 1 µs."""


@dataclass(frozen=True, eq=False)
class DenseProgram:
    """zᵀQz + qᵀz with Q formed, under 1ᵀz = keep and costᵀz ≤ limit, either absent.

    Attributes
    ----------
    Q, q, cost : (n, n), (n,), (n,), read-only.
    limit : inf, and zero costs, without a budget.
    keep : None where the cardinality is free.
    tolerance : differences of the objective below it are rounding.
    pair_gain : 2·max Q_ij off the diagonal.
    """

    Q: np.ndarray
    q: np.ndarray
    cost: np.ndarray
    limit: float
    keep: int | None
    tolerance: float
    pair_gain: float

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.q.size

    def value(self, z: np.ndarray) -> float:
        """Give zᵀQz + qᵀz; O(n²)."""
        point = z.astype(np.float64)
        return float(point @ (self.Q @ point) + self.q @ point)


def dense_program(problem: ChannelSelection) -> DenseProgram:
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
) -> DenseProgram:
    """Give the program of these arrays, which become read-only; O(n²)."""
    pair_gain = 2.0 * _largest_off_diagonal(Q)
    # Kernels are compiled once per type, and read-only is part of the type.
    return DenseProgram(
        frozen(Q), frozen(q), frozen(cost), limit, keep, tolerance, pair_gain
    )


def _largest_off_diagonal(Q: np.ndarray) -> float:
    n = Q.shape[0]
    if n < 2:
        return 0.0
    # Leaving out every (n+1)-th entry of the flat array leaves out the diagonal.
    return float(Q.ravel()[:-1].reshape(n - 1, n + 1)[:, 1:].max())


@dataclass(frozen=True, eq=False)
class Walk:
    """The running state of one search; the kernels write into the arrays.

    Attributes
    ----------
    change, sign : (n,) as `kernels.swap_search` describes them.
    held_until : (n,) the move up to which a channel is tabu.
    totals, clock : objective, best, budget used; moves, last improvement.
    best_sign : (n,) signs of the best point.
    """

    change: np.ndarray
    sign: np.ndarray
    held_until: np.ndarray
    totals: np.ndarray
    clock: np.ndarray
    best_sign: np.ndarray

    def best(self) -> tuple[np.ndarray, float]:
        """Give the best point, (n,) bool, and its value."""
        return self.best_sign < 0, float(self.totals[BEST])


def walk_from(program: DenseProgram, z: np.ndarray) -> Walk:
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
