"""HiGHS, as scipy brings it: the integer program, and its linear relaxation alone."""

import numpy as np
import scipy.optimize
import scipy.sparse

from benchmarks.allocation.competitors.answer import Answer, timed
from benchmarks.allocation.instances import Instance
from ccsolve.problems import RateAllocation


def rows(problem: RateAllocation) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Give the matrix of "one option per layer", (L, N), and the budgets' (B, N)."""
    layer = np.repeat(np.arange(problem.n), problem.sizes)
    ones = np.ones(problem.size)
    one = scipy.sparse.csr_array((ones, (layer, np.arange(problem.size))))
    return one, problem.flat_costs.T


def milp(instance: Instance, seconds: float, *, gap: float) -> Answer:
    """Solve the integer program to a relative gap."""
    problem = instance.problem
    assert isinstance(problem, RateAllocation)
    one, spent = rows(problem)

    def work() -> tuple[np.ndarray | None, float]:
        found = scipy.optimize.milp(
            problem.flat_losses,
            integrality=np.ones(problem.size),
            bounds=(0, 1),
            constraints=[(one, 1, 1), (spent, -np.inf, problem.budgets)],
            options={"mip_rel_gap": gap, "time_limit": seconds},
        )
        bound = -np.inf if found.mip_dual_bound is None else found.mip_dual_bound
        return _options(problem, found.x), float(bound)

    return timed(work)


def relaxation(instance: Instance, seconds: float) -> Answer:
    """Solve the linear relaxation alone; a bound and no point."""
    problem = instance.problem
    assert isinstance(problem, RateAllocation)
    one, spent = rows(problem)

    def work() -> tuple[None, float]:
        found = scipy.optimize.linprog(
            problem.flat_losses,
            A_ub=spent,
            b_ub=problem.budgets,
            A_eq=one,
            b_eq=np.ones(problem.n),
            bounds=(0, 1),
            method="highs",
            options={"time_limit": seconds},
        )
        return None, float(found.fun) if found.fun is not None else -np.inf

    return timed(work)


def _options(problem: RateAllocation, x: np.ndarray | None) -> np.ndarray | None:
    if x is None:
        return None
    parts = np.split(x, problem.offsets[1:-1])
    return np.array([int(part.argmax()) for part in parts])
