"""How the front door treats a RateAllocation."""

import numpy as np

from ccsolve.handling.record import Handling, undecided, whole
from ccsolve.problems import RateAllocation
from ccsolve.problems.allocation_points import feasible_point, natural_scale


def pick(problem: RateAllocation) -> str:
    """Give the name of the method that ``auto`` uses."""
    if problem.edges:
        return "pairs"
    return "one_budget" if len(problem.budgets) == 1 else "several_budgets"


def kernels(problem: RateAllocation) -> tuple[int, bool]:
    """Say what decides which kernels run: budgets and pairs."""
    return len(problem.budgets), bool(problem.edges)


def tiny(kind: tuple[int, bool]) -> RateAllocation:
    """Give a program of three layers of that kind."""
    budgets, pairs = kind
    # No whole losses, and none that prices alone prove best: the search runs, too.
    losses = [np.array([3.0, 1.3, 0.0])] * 3
    costs = [np.tile(np.array([[0.0], [1.0], [3.0]]), (1, budgets))] * 3
    tables = {(0, 1): np.ones((3, 3, budgets)), (1, 2): np.ones((3, 3, budgets))}
    return RateAllocation(
        losses, costs, np.full(budgets, 6.0), pair_costs=tables if pairs else None
    )


def as_point(x: np.ndarray) -> np.ndarray:
    """Give a point as int64 (L,)."""
    return np.asarray(x).astype(np.int64)


def shown(problem: RateAllocation, x: np.ndarray) -> dict[str, np.ndarray]:
    """Give the option of each layer."""
    return {"chosen": x}


ALLOCATION = Handling(
    problem=RateAllocation,
    pick=pick,
    reduced=whole,
    settled=undecided,
    feasible_point=feasible_point,
    natural_scale=natural_scale,
    kernels=kernels,
    tiny=tiny,
    as_point=as_point,
    shown=shown,
)
