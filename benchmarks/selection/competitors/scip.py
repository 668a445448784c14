"""SCIP: the quadratic objective below a free variable, binaries, one cardinality."""

import importlib
import time
from typing import Any

import numpy as np

import ccsolve
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms

LARGEST = 300
"""Above this the making of its expression takes longer than any run here."""


def run(problem: ccsolve.ChannelSelection, terms: Terms) -> Answer:
    """Minimise with one thread, to a relative gap of 1e-6."""
    scip: Any = importlib.import_module("pyscipopt")
    if problem.n > LARGEST:
        raise DoesNotFit(f"n > {LARGEST}: its root node is not finished in minutes")
    model, z = _model(scip, problem, terms)
    seen = _Seen()
    model.includeEventhdlr(_handler(scip, z, seen), "curves", "notes the curves")
    seen.start = time.perf_counter()
    model.optimize()
    seconds = time.perf_counter() - seen.start
    if model.getNSols():
        seen.points.append((seconds, _point(model, model.getBestSol(), z)))
    seen.bounds.append((seconds, float(model.getDualbound())))
    return Answer(
        seen.points, _finite(seen.bounds), seconds, model.getStatus(), rigorous=False
    )


class _Seen:
    """What the event handler noted."""

    def __init__(self) -> None:
        self.points: list[tuple[float, np.ndarray]] = []
        self.bounds: list[tuple[float, float]] = []
        self.start = 0.0


def _handler(scip: Any, z: list[Any], seen: _Seen) -> Any:
    """Make an event handler; SCIP's own class is known only when it is loaded."""
    kinds = scip.SCIP_EVENTTYPE
    watched = kinds.BESTSOLFOUND | kinds.NODESOLVED

    class Curves(scip.Eventhdlr):
        def eventinit(self) -> None:
            self.model.catchEvent(watched, self)

        def eventexit(self) -> None:
            self.model.dropEvent(watched, self)

        def eventexec(self, event: Any) -> None:
            seconds = time.perf_counter() - seen.start
            if event.getType() == kinds.BESTSOLFOUND:
                best = self.model.getBestSol()
                seen.points.append((seconds, _point(self.model, best, z)))
            seen.bounds.append((seconds, float(self.model.getDualbound())))

    return Curves()


def _model(
    scip: Any, problem: ccsolve.ChannelSelection, terms: Terms
) -> tuple[Any, list[Any]]:
    model = scip.Model()
    model.hideOutput()
    model.setParam("limits/time", terms.seconds)
    model.setParam("limits/gap", 1e-6)
    model.setParam("parallel/maxnthreads", 1)
    model.setParam("randomization/randomseedshift", terms.seed)
    if terms.target is not None:
        model.setParam("limits/primal", terms.target)
    z = [model.addVar(vtype="B") for _ in range(problem.n)]
    value = model.addVar(lb=None, ub=None)
    model.setObjective(value + problem.constant)
    model.addCons(value >= _expression(scip, problem, z))
    if problem.keep is not None:
        model.addCons(scip.quicksum(z) == problem.keep)
    if problem.cost is not None:
        spent = scip.quicksum(a * x for a, x in zip(problem.cost, z, strict=True))
        model.addCons(spent <= problem.budget)
    return model, z


def _expression(scip: Any, problem: ccsolve.ChannelSelection, z: list[Any]) -> Any:
    Q = problem.dense()
    pairs = zip(*np.nonzero(np.triu(Q, 1)), strict=True)
    linear = np.diag(Q) + problem.q
    return scip.quicksum(
        2.0 * float(Q[i, j]) * z[i] * z[j] for i, j in pairs
    ) + scip.quicksum(float(linear[i]) * z[i] for i in range(problem.n))


def _point(model: Any, solution: Any, z: list[Any]) -> np.ndarray:
    return np.array([model.getSolVal(solution, x) > 0.5 for x in z])


def _finite(bounds: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(seconds, bound) for seconds, bound in bounds if abs(bound) < 1e20]
