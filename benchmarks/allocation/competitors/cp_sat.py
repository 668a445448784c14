"""CP-SAT of OR-Tools: whole numbers only, so real data are scaled and rounded."""

import numpy as np

from benchmarks.allocation.competitors.answer import Answer, timed
from benchmarks.allocation.instances import Instance
from ccsolve.problems import RateAllocation

DIGITS = 1e7
"""The largest datum becomes this; costs are rounded up, so that budgets hold."""


def solve(instance: Instance, seconds: float, *, gap: float) -> Answer:
    """Solve the rounded program on one worker to a relative gap."""
    from ortools.sat.python import cp_model

    problem = instance.problem
    assert isinstance(problem, RateAllocation)
    model = cp_model.CpModel()
    losses, loss_unit = _whole(problem.flat_losses, np.rint)
    chosen = [model.new_bool_var("") for _ in range(problem.size)]
    for first, last in zip(problem.offsets, problem.offsets[1:], strict=False):
        model.add_exactly_one(chosen[first:last])
    for column, budget in zip(problem.flat_costs.T, problem.budgets, strict=True):
        costs, unit = _whole(column, np.ceil)
        spent = cp_model.LinearExpr.weighted_sum(chosen, costs.tolist())
        model.add(spent <= int(np.floor(budget / unit)))
    model.minimize(cp_model.LinearExpr.weighted_sum(chosen, losses.tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.relative_gap_limit = gap
    solver.parameters.max_time_in_seconds = seconds

    def work() -> tuple[np.ndarray | None, float]:
        status = solver.solve(model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None, -np.inf
        taken = np.array([solver.value(variable) for variable in chosen])
        parts = np.split(taken, problem.offsets[1:-1])
        # Its bound is of the rounded program.
        bound = solver.best_objective_bound * loss_unit - 0.5 * loss_unit * problem.n
        return np.array([int(part.argmax()) for part in parts]), float(bound)

    return timed(work)


def _whole(values: np.ndarray, rounded: np.ufunc) -> tuple[np.ndarray, float]:
    if np.array_equal(values, np.rint(values)):
        return values.astype(np.int64), 1.0
    unit = float(np.abs(values).max()) / DIGITS
    return rounded(values / unit).astype(np.int64), unit
