"""ccsolve's own methods."""

import numpy as np

import ccsolve
from benchmarks.allocation.competitors.answer import Answer, timed
from benchmarks.allocation.instances import Instance
from ccsolve.iterate import Limits
from ccsolve.problems import RateAllocation
from ccsolve.solvers.allocation.corridor.hulls import prepare
from ccsolve.solvers.allocation.one_budget import solve_prepared


def solved(instance: Instance, seconds: float, *, method: str, gap: float) -> Answer:
    """Run a method through the front door, its kernels warm."""
    problem = instance.problem
    ccsolve.solve(instance.tiny(), method, time_limit=seconds, gap=gap)

    def work() -> tuple[np.ndarray | None, float]:
        found = ccsolve.solve(problem, method, time_limit=seconds, gap=gap)
        return found.x, found.bound

    return timed(work)


def front(instance: Instance, seconds: float, *, gap: float) -> Answer:
    """Solve every budget on hulls and edges that were sorted once."""
    problem = instance.problem
    assert isinstance(problem, RateAllocation)
    ccsolve.solve(instance.tiny(), "one_budget", gap=gap)
    # Making a problem of each budget checks the tables again; that is not solving.
    at = [problem.with_budgets(budget) for budget in instance.budgets]

    def work() -> tuple[np.ndarray, np.ndarray]:
        prepared = prepare(problem)
        found = [
            solve_prepared(each, prepared, Limits(seconds, gap=gap)) for each in at
        ]
        points = [np.full(problem.n, -1) if s.x is None else s.x for s in found]
        return np.array(points), np.array([s.bound for s in found], dtype=float)

    return timed(work)


def smooth(instance: Instance, seconds: float, *, method: str) -> Answer:
    """Run a method of the smooth program, warm."""
    problem = instance.problem
    ccsolve.solve(problem, method, time_limit=seconds)

    def work() -> tuple[np.ndarray | None, float]:
        found = ccsolve.solve(problem, method, time_limit=seconds)
        return found.x, found.bound

    return timed(work)
