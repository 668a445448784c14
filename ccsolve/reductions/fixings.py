"""Take the fixed channels out of a ChannelSelection."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ccsolve.problems import ChannelSelection
from ccsolve.problems.constraints import budget_slack
from ccsolve.problems.exactness import fixing_error, objective_floor

Lift = Callable[[np.ndarray], np.ndarray]
"""Maps a point of the smaller problem to the point of the original."""


def fix_variables(problem: ChannelSelection) -> tuple[ChannelSelection, Lift]:
    """Give the program over the free channels, and the lift of its points; O(n²).

    With 1 the kept fixed channels K and F the free ones,
    zᵀQz + qᵀz = z_FᵀQ_FF z_F + (q_F + 2Q_FK 1)ᵀz_F + (1ᵀQ_KK 1 + q_Kᵀ1):
    objectives agree in exact arithmetic. The constant is lowered by what rounding may
    have added, so that a bound of the smaller program is one of the original.
    """
    fixed = problem.fixed
    if fixed is None:
        return problem, lambda z: z
    free, kept = fixed == -1, fixed == 1
    ones = kept.astype(np.float64)
    linear = problem.q + 2.0 * problem.multiply(ones)
    smaller = ChannelSelection(
        **_free_part(problem, free),
        q=linear[free],
        keep=None if problem.keep is None else problem.keep - int(kept.sum()),
        constant=_constant(problem, free, kept),
        **_free_budget(problem, free, kept),
    )

    def lift(z: np.ndarray) -> np.ndarray:
        whole = kept.copy()
        whole[free] = z
        return whole

    return smaller, lift


def _constant(problem: ChannelSelection, free: np.ndarray, kept: np.ndarray) -> float:
    floor, error = objective_floor(problem, kept), fixing_error(problem, free, kept)
    return floor if error == 0 else math.nextafter(floor - error, -math.inf)


def _free_part(problem: ChannelSelection, free: np.ndarray) -> dict[str, np.ndarray]:
    if problem.Q is not None:
        return {"Q": problem.Q[np.ix_(free, free)]}
    assert problem.factor is not None and problem.diagonal is not None
    return {"factor": problem.factor[:, free], "diagonal": problem.diagonal[free]}


def _free_budget(
    problem: ChannelSelection, free: np.ndarray, kept: np.ndarray
) -> dict[str, Any]:
    """Give what is left of the budget, so that both programs allow the same slack."""
    if problem.cost is None or problem.budget is None:
        return {}
    cost = problem.cost[free]
    left = problem.budget_limit - float(problem.cost[kept].sum()) - budget_slack(cost)
    return {"cost": cost, "budget": max(0.0, left)}
