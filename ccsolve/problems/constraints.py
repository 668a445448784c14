"""Budgets and fixings, checked, alone and together with the cardinality."""

import math
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems.checks import frozen, real_array, real_number


def budget_slack(cost: np.ndarray) -> float:
    """Give the rounding that a budget on these costs (n,) allows."""
    return 1e-12 * cost.size * float(cost.max(initial=0.0))


def budget_limit(cost: np.ndarray | None, budget: float | None) -> float:
    """Give the budget with its rounding slack; inf without a budget."""
    if cost is None or budget is None:
        return math.inf
    return budget + budget_slack(cost)


def checked_budget(
    cost: Any, budget: float | None, n: int
) -> tuple[np.ndarray | None, float | None]:
    """Give cost (n,) and budget, both or neither."""
    if (cost is None) != (budget is None):
        given = "cost" if budget is None else "budget"
        raise InvalidProblem(f"{given} given alone; cost and budget go together")
    if cost is None or budget is None:
        return None, None
    cost = real_array("cost", cost, (n,))
    if (cost < 0).any():
        raise InvalidProblem(f"cost has entries down to {cost.min():g}; expected >= 0")
    return cost, real_number("budget", budget, 0.0)


def checked_fixings(fixed: Any, n: int) -> np.ndarray | None:
    """Give the fixings (n,) as int8: -1 free, 0 removed, 1 kept."""
    if fixed is None:
        return None
    values = real_array("fixed", fixed, (n,))
    if not np.isin(values, (-1, 0, 1)).all():
        raise InvalidProblem("fixed holds other values than -1 (free), 0 and 1")
    return frozen(values.astype(np.int8))


def require_a_feasible_point(
    n: int,
    keep: int | None,
    cost: np.ndarray | None,
    budget: float | None,
    fixed: np.ndarray | None,
) -> None:
    """Raise Infeasible unless the cheapest choice satisfies every constraint."""
    fixed = np.full(n, -1) if fixed is None else fixed
    kept, free = int((fixed == 1).sum()), fixed == -1
    more = 0 if keep is None else keep - kept
    if not 0 <= more <= free.sum():
        raise Infeasible(
            f"keep = {keep}, but the fixings allow {kept} to "
            f"{kept + int(free.sum())} channels; free some of them or change keep"
        )
    if cost is None:
        return
    cheapest = cost[fixed == 1].sum() + np.sort(cost[free])[:more].sum()
    if cheapest > budget_limit(cost, budget):
        raise Infeasible(
            f"budget = {budget:g}, but the cheapest choice allowed costs "
            f"{cheapest:g}; raise the budget to that, or keep fewer channels"
        )
