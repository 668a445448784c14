"""Gurobi on the program as it stands: a non-convex binary quadratic program.

Its free licence takes quadratic programs of up to 200 binaries.
"""

import importlib
import time
from typing import Any

import numpy as np

import ccsolve
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms

_TOO_LARGE = 10010
_STATUS = {2: "optimal", 9: "time limit", 11: "interrupted", 15: "target"}


def run(problem: ccsolve.ChannelSelection, terms: Terms) -> Answer:
    """Minimise with one thread, to a relative gap of 1e-6."""
    gurobi: Any = importlib.import_module("gurobipy")
    points: list[tuple[float, np.ndarray]] = []
    bounds: list[tuple[float, float]] = []
    model, z = _model(gurobi, problem, terms)
    codes, start = gurobi.GRB.Callback, time.perf_counter()

    def see(model: Any, where: int) -> None:
        if where == codes.MIPSOL:
            seconds = time.perf_counter() - start
            points.append((seconds, np.round(model.cbGetSolution(z)) == 1))
        if where == codes.MIP:
            bounds.append((time.perf_counter() - start, model.cbGet(codes.MIP_OBJBND)))

    try:
        model.optimize(see)
    except gurobi.GurobiError as error:
        if error.errno == _TOO_LARGE:
            raise DoesNotFit("larger than the size-limited licence takes") from None
        raise
    seconds = time.perf_counter() - start
    if model.SolCount:
        points.append((seconds, np.round(z.X) == 1))
    bounds.append((seconds, float(model.ObjBound)))
    stop = _STATUS.get(model.Status, f"status {model.Status}")
    return Answer(points, bounds, seconds, stop, rigorous=False)


def _model(
    gurobi: Any, problem: ccsolve.ChannelSelection, terms: Terms
) -> tuple[Any, Any]:
    environment = gurobi.Env(empty=True)
    environment.setParam("OutputFlag", 0)
    environment.start()
    model = gurobi.Model(env=environment)
    model.Params.Threads = 1
    model.Params.Seed = terms.seed
    model.Params.MIPGap = 1e-6
    model.Params.TimeLimit = terms.seconds
    if terms.target is not None:
        model.Params.BestObjStop = terms.target
    z = model.addMVar(problem.n, vtype=gurobi.GRB.BINARY)
    model.setObjective(z @ problem.dense() @ z + problem.q @ z + problem.constant)
    if problem.keep is not None:
        model.addConstr(z.sum() == problem.keep)
    if problem.cost is not None:
        model.addConstr(problem.cost @ z <= problem.budget)
    return model, z
