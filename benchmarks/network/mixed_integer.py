"""The program as SCIP and Gurobi take it, begun from the greedy point.

Channels are binary and widths whole; a budget multiplies widths. "native": every
group's zᵀQz, or of a coupled Q all of it, is at most a variable t, with the squares of
Cholesky's rows, a convex constraint. "linearised": every product of two channels whose
Q_ij is not 0 is a variable of its own between McCormick's planes.
"""

import importlib
import math
from typing import Any

import numpy as np
import scipy.linalg

import ccsolve
from ccsolve import NetworkSelection

MOST_PRODUCTS = 60_000
"""Products of channels up to which they are linearised."""

FREE_VARIABLES, FREE_SQUARED = 2000, 200
"""Variables of the licence that comes with gurobipy, and of a quadratic program."""


def scip(problem: NetworkSelection, limit: float, form: str) -> dict[str, Any]:
    """Run SCIP on one thread; give what makes a run."""
    try:
        scipopt: Any = importlib.import_module("pyscipopt")
    except ImportError:
        return {"status": "not installed"}
    if any(budget.tables for budget in problem.budgets):
        return {"status": "not run: tables are not stated"}
    if form == "linearised" and _products(problem) > MOST_PRODUCTS:
        return {
            "status": f"not run: {_products(problem)} products of channels, more than "
            f"{MOST_PRODUCTS}"
        }
    model = scipopt.Model()
    model.hideOutput()
    model.setParam("limits/time", limit)
    model.setParam("parallel/maxnthreads", 1)
    start = ccsolve.solve(problem, "greedy", time_limit=None).x
    assert start is not None
    z, widths = _channels(model, problem, scipopt.quicksum)
    _budgets(model, problem, widths, scipopt.quicksum)
    state = (_native if form == "native" else _linearised)(
        model, problem, z, start, scipopt.quicksum
    )
    solution = model.createSol()
    for variable, value in [*state, *zip(z, start * 1.0, strict=True)]:
        model.setSolVal(solution, variable, float(value))
    for variable, width in zip(widths, problem.widths_of(start), strict=True):
        model.setSolVal(solution, variable, float(width))
    taken = model.addSol(solution)
    seen = _watched(scipopt, model)
    model.optimize()
    x = None
    if model.getNSols():
        x = np.array([model.getVal(each) > 0.5 for each in z])
    seen.append((model.getSolvingTime(), *_progress(model)))
    version = f"SCIP {model.version()}"
    note = f"{model.getStatus()}; start {'taken' if taken else 'refused'}"
    return {"trace": seen, "x": x, "version": version, "note": note}


def _channels(model: Any, problem: NetworkSelection, total: Any) -> tuple[list, list]:
    fixed = np.full(problem.n, -1) if problem.fixed is None else problem.fixed
    z = [
        model.addVar(vtype="B", lb=float(held == 1), ub=float(held != 0))
        for held in fixed
    ]
    widths = []
    for own, ladder in zip(problem.members, problem.widths, strict=True):
        k = model.addVar(vtype="I", lb=float(ladder[0]), ub=float(ladder[-1]))
        model.addCons(k == total(z[i] for i in own))
        widths.append(k)
    return z, widths


def _budgets(model: Any, problem: NetworkSelection, k: list, total: Any) -> None:
    for budget in problem.budgets:
        # In units of the limit, so that tolerances mean the same of all.
        parts = [each / budget.limit * k[g] for g, each in budget.linear.items()]
        parts += [
            each / budget.limit * k[g] * k[h]
            for (g, h), each in budget.products.items()
        ]
        model.addCons(total(parts) <= 1.0 - budget.fixed / budget.limit)


def _native(model: Any, problem: NetworkSelection, z: list, start: Any, total: Any):
    """State t_g ≥ ‖L_gᵀz‖² for every block, and minimise Σ t_g + qᵀz."""
    state, bounds = [], []
    for own, matrix in _blocks(problem):
        rows = _rows(matrix)
        image = [model.addVar(lb=None) for _ in rows]
        for r, row in zip(image, rows, strict=True):
            kept = [(i, w) for i, w in zip(own, row, strict=True) if w]
            model.addCons(r == total(w * z[i] for i, w in kept))
        t = model.addVar(lb=0.0)
        model.addCons(total(r * r for r in image) <= t)
        values = rows @ start[own]
        state += list(zip(image, values, strict=True))
        state.append((t, float(values @ values) * (1.0 + 1e-9)))
        bounds.append(t)
    _minimise(model, problem, z, bounds, total)
    return state


def _linearised(model: Any, problem: NetworkSelection, z: list, start: Any, total: Any):
    """State every product of channels as a variable between McCormick's planes."""
    state, parts = [], []
    for own, matrix in _blocks(problem):
        parts += [matrix[a, a] * z[i] for a, i in enumerate(own)]
        for a, b in zip(*np.nonzero(np.triu(matrix, 1)), strict=True):
            i, j = own[a], own[b]
            w = model.addVar(lb=0.0, ub=1.0)
            if matrix[a, b] > 0:
                model.addCons(w >= z[i] + z[j] - 1.0)
            else:
                model.addCons(w <= z[i])
                model.addCons(w <= z[j])
            parts.append(2.0 * matrix[a, b] * w)
            state.append((w, float(start[i] and start[j])))
    _minimise(model, problem, z, parts, total)
    return state


def _minimise(
    model: Any, problem: NetworkSelection, z: list, parts: list, total: Any
) -> None:
    linear = total(w * each for w, each in zip(problem.q, z, strict=True) if w)
    model.setObjective(total(parts) + linear + problem.constant, "minimize")


def _blocks(problem: NetworkSelection) -> list[tuple[np.ndarray, np.ndarray]]:
    if problem.form.is_separable:
        return [(own, problem.form.block(g)) for g, own in enumerate(problem.members)]
    return [(np.arange(problem.n), problem.form.dense())]


def _rows(matrix: np.ndarray) -> np.ndarray:
    """Give R with RᵀR = matrix, but for negligible eigenvalues."""
    values, vectors = scipy.linalg.eigh(matrix)
    kept = values > 1e-12 * values[-1]
    return np.sqrt(values[kept])[:, None] * vectors[:, kept].T


def _products(problem: NetworkSelection) -> int:
    return sum(
        int(np.count_nonzero(np.triu(matrix, 1))) for _, matrix in _blocks(problem)
    )


def _watched(scipopt: Any, model: Any) -> list[tuple[float, Any, Any]]:
    """Have the model note its point and bound at every new point and node."""
    seen: list[tuple[float, Any, Any]] = []
    kinds = scipopt.SCIP_EVENTTYPE.BESTSOLFOUND | scipopt.SCIP_EVENTTYPE.NODESOLVED

    class Watch(scipopt.Eventhdlr):
        def eventinit(self) -> None:
            self.model.catchEvent(kinds, self)

        def eventexit(self) -> None:
            self.model.dropEvent(kinds, self)

        def eventexec(self, event: Any) -> None:
            seen.append((self.model.getSolvingTime(), *_progress(self.model)))

    model.includeEventhdlr(Watch(), "watch", "notes points and bounds")
    return seen


def _progress(model: Any) -> tuple[float | None, float | None]:
    value, bound = model.getPrimalbound(), model.getDualbound()
    return (
        value if abs(value) < 1e19 else None,
        bound if abs(bound) < 1e19 else None,
    )


def gurobi(problem: NetworkSelection, limit: float) -> dict[str, Any]:
    """Run Gurobi on one thread, native form; give what makes a run."""
    try:
        grb: Any = importlib.import_module("gurobipy")
    except ImportError:
        return {"status": "not installed"}
    variables = problem.n + problem.count
    if variables > FREE_SQUARED:
        return {
            "status": f"not run: {variables} variables; the free licence takes "
            f"{FREE_SQUARED} with products, {FREE_VARIABLES} without"
        }
    if any(budget.tables for budget in problem.budgets):
        return {"status": "not run: tables are not stated"}
    environment = grb.Env(params={"OutputFlag": 0})
    model = grb.Model(env=environment)
    model.Params.TimeLimit, model.Params.Threads, model.Params.MIPGap = limit, 1, 1e-6
    z = model.addMVar(problem.n, vtype="B")
    k = model.addMVar(problem.count, vtype="I")
    for g, own in enumerate(problem.members):
        model.addConstr(k[g] == z[own].sum())
        k[g].LB, k[g].UB = float(problem.widths[g][0]), float(problem.widths[g][-1])
    for budget in problem.budgets:
        parts = [each / budget.limit * k[g] for g, each in budget.linear.items()]
        parts += [
            each / budget.limit * k[g] * k[h]
            for (g, h), each in budget.products.items()
        ]
        model.addConstr(sum(parts) <= 1.0 - budget.fixed / budget.limit)
    model.setObjective(z @ problem.form.dense() @ z + problem.q @ z + problem.constant)
    seen: list[tuple[float, Any, Any]] = []

    def note(m: Any, where: int) -> None:
        if where == grb.GRB.Callback.MIP:
            best = m.cbGet(grb.GRB.Callback.MIP_OBJBST)
            bound = m.cbGet(grb.GRB.Callback.MIP_OBJBND)
            at = m.cbGet(grb.GRB.Callback.RUNTIME)
            told = [v if abs(v) < 1e90 else None for v in (best, bound)]
            seen.append((at, told[0], told[1]))

    try:
        model.optimize(note)
    except grb.GurobiError as error:
        return {"status": f"refused: {error}"}
    x = np.asarray(z.X) > 0.5 if model.SolCount else None
    value = model.ObjVal if model.SolCount else None
    bound = model.ObjBound if math.isfinite(model.ObjBound) else None
    seen.append((model.Runtime, value, bound))
    version = f"Gurobi {'.'.join(map(str, grb.gurobi.version()))}"
    return {"trace": seen, "x": x, "version": version}
