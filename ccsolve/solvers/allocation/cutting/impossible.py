"""Why no point keeps all budgets together."""

from itertools import combinations

import numpy as np

from ccsolve.errors import Infeasible
from ccsolve.kernels.knapsack_pricing import Priced
from ccsolve.solvers.allocation.cutting.dual import climbed
from ccsolve.solvers.allocation.cutting.program import Program


def no_mixture(program: Program) -> Infeasible:
    """Give the error for budgets that not even mixtures of options keep.

    Prices λ with Σ_l min_j λᵀcost_lj > λᵀlimits prove it (Farkas), whatever the
    losses: they are sought for pairs of budgets, then for more, so that the message
    names a smallest set. The inequality is checked with outward rounding.
    """
    budgets = len(program.table.limits)
    for size in range(2, budgets + 1):
        for members in combinations(range(budgets), size):
            prices = certificate(program.table, list(members))
            if prices is not None:
                return Infeasible(_together(program, list(members), prices))
    return Infeasible(
        f"no choice keeps the budgets {program.problem.budgets.tolist()} together; "
        "raise them, or add cheaper options"
    )


def no_point(program: Program) -> Infeasible:
    """Give the error for budgets that mixtures of options keep, but no choice."""
    return Infeasible(
        f"no choice keeps the budgets {program.problem.budgets.tolist()} together: all "
        f"{program.problem.size} options were searched, though each budget holds "
        "alone; raise them a little, or add options between those given"
    )


def certificate(table: Priced, members: list[int]) -> np.ndarray | None:
    """Give prices of these budgets that prove that no mixture keeps them, or None."""
    costs_alone = Priced(
        losses=np.zeros_like(table.losses),
        costs=np.ascontiguousarray(table.costs[members]),
        offsets=table.offsets,
        limits=table.limits[members],
        weight=0.0,
    )
    # Without losses every bound above 0 is a proof, and grows with the prices.
    climbing = climbed(costs_alone, 1.0)
    while True:
        try:
            next(climbing)
        except StopIteration as end:
            return end.value.prices if end.value.bound > 0 else None


def _together(program: Program, members: list[int], prices: np.ndarray) -> str:
    """Say what the budgets' mean, weighted by the prices, takes and allows."""
    problem = program.problem
    weights = prices * program.units[members]
    weights = weights / weights.sum()
    paid = problem.flat_costs[:, members] @ weights
    least = np.minimum.reduceat(paid, problem.offsets[:-1]).sum()
    allowed = problem.budgets[members] @ weights
    names = " and ".join(f"budgets[{b}]" for b in members)
    parts = " + ".join(
        f"{weight:.4g}·costs[{b}]" for b, weight in zip(members, weights, strict=True)
    )
    return (
        f"{names} cannot hold together: every choice has {parts} >= {least:.6g}, and "
        f"they allow {allowed:.6g}; raise one of them, or add cheaper options"
    )
