"""The semidefinite relaxation with products, stated in cvxpy for a conic solver.

Over the lifted matrix Y = [1 xᵀ; x X] ⪰ 0: minimise <Q, X> + qᵀx subject to
diag X = x, 1ᵀx = keep and X1 = keep·x; with X >= 0 the doubly non-negative relaxation.
"""

import importlib
from typing import Any

import ccsolve
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms


def run(
    problem: ccsolve.ChannelSelection,
    terms: Terms,
    *,
    solver: str,
    nonnegative: bool,
    options: dict[str, Any],
) -> Answer:
    """Give the solver's dual value: near a bound, but proven by nobody.

    Seconds are the solver's own; cvxpy's translation is not counted.
    """
    if problem.keep is None or problem.cost is not None:
        raise DoesNotFit("stated here for a cardinality alone")
    cvxpy: Any = importlib.import_module("cvxpy")
    importlib.import_module(solver.lower())
    program = _program(cvxpy, problem, nonnegative)
    try:
        value = program.solve(solver=solver, **options)
    except cvxpy.SolverError as error:
        return Answer(seconds=terms.seconds, stop=str(error)[:80], rigorous=False)
    seconds, status = _seconds(program.solver_stats), program.status
    claimed = _is_claim(status, seconds, terms.seconds)
    bound = value - _primal_above_dual(program.solver_stats.extra_stats)
    return Answer(
        bounds=[(seconds, float(bound))] if claimed else [],
        seconds=seconds,
        stop=status,
        rigorous=False,
    )


def _is_claim(status: str, seconds: float, limit: float) -> bool:
    """Say whether the solver calls its end one; what a limit cut short is no value."""
    return status == "optimal" or (
        status == "optimal_inaccurate" and seconds < 0.95 * limit
    )


def _program(cvxpy: Any, problem: ccsolve.ChannelSelection, nonnegative: bool) -> Any:
    n = problem.n
    Y = cvxpy.Variable((n + 1, n + 1), PSD=True)
    x, X = Y[0, 1:], Y[1:, 1:]
    constraints = [
        Y[0, 0] == 1,
        cvxpy.diag(X) == x,
        cvxpy.sum(x) == problem.keep,
        cvxpy.sum(X, axis=1) == problem.keep * x,
    ]
    if nonnegative:
        constraints.append(X >= 0)
    value = cvxpy.sum(cvxpy.multiply(problem.dense(), X)) + problem.q @ x
    return cvxpy.Problem(cvxpy.Minimize(value + problem.constant), constraints)


def _seconds(stats: Any) -> float:
    return float((stats.setup_time or 0.0) + (stats.solve_time or 0.0))


def _primal_above_dual(extra: Any) -> float:
    """Give the solver's primal value less its dual one; 0 where it tells only one."""
    if not extra or "info" not in extra:
        return 0.0
    return float(extra["info"]["pobj"] - extra["info"]["dobj"])
