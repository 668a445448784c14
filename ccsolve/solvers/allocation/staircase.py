"""One budget in whole buckets: each layer's options that cost more to lose less."""

from dataclasses import dataclass

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems import RateAllocation
from ccsolve.problems.checks import whole_number

_MOST = 10_000_000

FINE = 1e-8
"""A multiple of the width stays one when it is rounded down; _MOST·FINE < 1."""


@dataclass(frozen=True, eq=False)
class Stairs:
    """The options of one layer, by rising cost and falling loss.

    Attributes
    ----------
    options : (K,) their numbers within the layer.
    losses : (K,)
    costs : (K,) beyond the layer's cheapest, so that the first is 0.
    """

    options: np.ndarray
    losses: np.ndarray
    costs: np.ndarray


def stairs(problem: RateAllocation) -> list[Stairs]:
    """Give the options of each layer that no other beats in loss and cost.

    O(N log N). InvalidProblem for several budgets.
    """
    if len(problem.limits) != 1:
        raise InvalidProblem(
            f"buckets of one budget, given {len(problem.limits)}; use another method"
        )
    tables = zip(problem.losses, problem.costs, strict=True)
    return [_stairs(losses, costs[:, 0]) for losses, costs in tables]


def room(problem: RateAllocation, budget: float) -> float:
    """Give what a budget leaves beyond the cheapest choice."""
    return max(0.0, budget - float(problem.cheapest()[0]))


def checked_buckets(buckets: int) -> int:
    """Refuse a number of buckets that is not whole or not from 1 to 10⁷."""
    return whole_number("buckets", buckets, 1, _MOST)


def rounded_up(costs: np.ndarray, width: float) -> np.ndarray:
    """Give the number of buckets that holds each cost, but for 1e-12 of it.

    A multiple of the width that division makes a little more than one stays one.
    """
    return np.ceil(_in_buckets(costs, width) * (1.0 - 1e-12)).astype(np.int64)


def rounded_down(costs: np.ndarray, width: float) -> np.ndarray:
    """Give the number of buckets that each cost and `FINE` of it fills."""
    return np.floor(_in_buckets(costs, width) * (1.0 + FINE)).astype(np.int64)


def _in_buckets(costs: np.ndarray, width: float) -> np.ndarray:
    # At most beyond all buckets, and within what int64 holds.
    if width == 0.0:
        return np.where(costs > 0, 4.0 * _MOST, 0.0)
    return np.minimum(costs / width, 4.0 * _MOST)


def _stairs(losses: np.ndarray, costs: np.ndarray) -> Stairs:
    order = np.lexsort((losses, costs))
    falling = losses[order]
    better = np.ones(len(order), dtype=bool)
    better[1:] = falling[1:] < np.minimum.accumulate(falling)[:-1]
    kept = order[better]
    return Stairs(kept, losses[kept], costs[kept] - costs.min())
