"""The same program through cvxpy, on the exponential cone: a second opinion."""

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import cvxpy
import numpy as np
from cvxpy.error import SolverError

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems.checks import real_number
from ccsolve.problems.smooth_allocation import SmoothRateAllocation, raised
from ccsolve.solution import Solution
from ccsolve.solvers.smooth_allocation.optimality import lower_bound

LEAST = 0.05
"""Seconds below which Clarabel is not begun: building its model takes as long."""


def solve(
    problem: SmoothRateAllocation, limits: Limits, *, tolerance: float = 1e-9
) -> Solution:
    """Solve the program by Clarabel, an interior-point method; an oracle.

    Proven: the bound, which is the dual function at the solver's multiplier, less
    rounding; any multiplier would do. Heuristic: the point, the solver's rates taken
    into floor and cap and raised until they remove enough. A feasible point and its
    bound without a price come first. ``extra`` holds the solver's status and its own
    value, unproven.

    Clarabel cannot be cut into steps: it gets the time that is left, and Ctrl-C waits
    for it.

    Parameters
    ----------
    tolerance : of the solver, 1e-12 at least.

    Raises
    ------
    InvalidProblem
        For a smaller tolerance.
    """
    real_number("tolerance", tolerance, 1e-12)
    return run(_steps(problem, limits, tolerance), limits)


def _steps(
    problem: SmoothRateAllocation, limits: Limits, tolerance: float
) -> Iterator[Step]:
    x = problem.feasible_point()
    yield _step(problem, x, 0.0, {"solver_status": "not begun"})
    if limits.remaining() < LEAST:
        return
    model = _model(problem)
    status = _solved(model.program, limits, tolerance)
    rates, multiplier = model.rates.value, _number(model.enough.dual_value)
    value = _number(model.program.value) * model.unit
    extra = {"solver_status": status, "solver_value": value}
    if rates is None or not np.isfinite(rates).all() or math.isnan(multiplier):
        yield Step(extra=extra)
        return
    x = np.clip(rates, problem.floor, problem.cap)
    price = max(0.0, multiplier) * model.unit / float(problem.size.sum())
    yield _step(problem, raised(problem, x), price, extra)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _step(
    problem: SmoothRateAllocation, x: np.ndarray, price: float, extra: dict[str, Any]
) -> Step:
    bound = lower_bound(problem, price)
    duals = {"remove": np.array([price])}
    return Step(x, problem.objective(x), bound, duals, extra)


class _Model(NamedTuple):
    """The program in units of ``unit`` for losses and of all layers for sizes."""

    program: cvxpy.Problem
    rates: cvxpy.Variable
    enough: cvxpy.Constraint
    unit: float


def _model(problem: SmoothRateAllocation) -> _Model:
    unit = problem.objective(problem.feasible_point())
    rates = cvxpy.Variable(problem.n)
    logs = np.log(problem.coefficient) - math.log(unit)
    losses = cvxpy.exp(cvxpy.multiply(problem.rate, rates) + logs)
    whole = float(problem.size.sum())
    enough = (problem.size / whole) @ rates >= problem.remove / whole
    box = [rates >= problem.floor, rates <= problem.cap]
    program = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(losses)), [enough, *box])
    return _Model(program, rates, enough, unit)


def _solved(program: cvxpy.Problem, limits: Limits, tolerance: float) -> str:
    """Run the solver; give its status."""
    names = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
    options: dict[str, Any] = dict.fromkeys(names, tolerance)
    if limits.time_limit < math.inf:
        options["time_limit"] = limits.remaining()
    with warnings.catch_warnings():
        # That a solution may be inaccurate is what the bound is for.
        warnings.simplefilter("ignore")
        try:
            program.solve(solver="CLARABEL", **options)
        except SolverError:
            return "solver_error"
    return str(program.status)
