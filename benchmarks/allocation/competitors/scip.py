"""SCIP, through pyscipopt."""

import numpy as np

from benchmarks.allocation.competitors.answer import Answer, timed
from benchmarks.allocation.instances import Instance
from ccsolve.problems import RateAllocation


def solve(instance: Instance, seconds: float, *, gap: float) -> Answer:
    """Solve the integer program to a relative gap."""
    from pyscipopt import Model, quicksum

    problem = instance.problem
    assert isinstance(problem, RateAllocation)
    model = Model()
    model.hideOutput()
    model.setParam("limits/gap", gap)
    model.setParam("limits/time", seconds)
    z = [model.addVar(vtype="B", obj=loss) for loss in problem.flat_losses.tolist()]
    for first, last in zip(problem.offsets, problem.offsets[1:], strict=False):
        model.addCons(quicksum(z[first:last]) == 1)
    for column, budget in zip(problem.flat_costs.T, problem.budgets, strict=True):
        spent = quicksum(c * v for c, v in zip(column.tolist(), z, strict=True))
        model.addCons(spent <= float(budget))

    def work() -> tuple[np.ndarray | None, float]:
        # A run that is repeated begins anew.
        model.freeTransform()
        model.optimize()
        if not model.getNSols():
            return None, float(model.getDualbound())
        taken = np.array([model.getVal(variable) for variable in z])
        parts = np.split(taken, problem.offsets[1:-1])
        point = np.array([int(part.argmax()) for part in parts])
        return point, float(model.getDualbound())

    return timed(work)
