"""The semidefinite relaxations through cvxpy: a second opinion, repaired to a proof."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from cvxpy.error import SolverError

from ccsolve.errors import InvalidProblem
from ccsolve.interruptible import interruptible
from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number
from ccsolve.solution import Solution
from ccsolve.solvers.selection.options import at_least
from ccsolve.solvers.selection.relaxing.conic_model import (
    ConicModel,
    conic_model,
    mended_dual,
)
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.duals import Dual, certified
from ccsolve.solvers.selection.relaxing.lattice import lattice_of
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.rounding import first_step, prices
from ccsolve.solvers.selection.relaxing.semidefinite import rounded_points
from ccsolve.solvers.selection.searching.engine import Engine, engine_for

CONES = ("sdp", "dnn")
SOLVERS = ("CLARABEL", "SCS")

INTERIOR_POINT = 50
"""Channels up to which Clarabel is the choice: its time grows as n⁶."""

LEAST = 0.1
"""Seconds below which no solver is begun: building its model takes as long."""


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    cone: str = "sdp",
    solver: str | None = None,
    tolerance: float = 1e-7,
    roundings: int = 8,
) -> Solution:
    """Solve the relaxation of `sdp` or `dnn` by Clarabel or SCS.

    The dual is what is given to cvxpy: max keep·μ + offset over multipliers of which
    the matrix M(y, S, ...) - μI is positive semidefinite (μ = 0 and the multiplier of
    X_00 = 1 instead, without ``keep``).

    Proven: the bound. A solver's value is right up to its tolerances, in either
    direction; its multipliers, whose signs are mended first, go through the same
    certificate as everybody's (`relaxing.duals.certified`). The solver's own value
    stands unproven as ``extra["solver_value"]``, its status as
    ``extra["solver_status"]``. Heuristic: the points, rounded from the primal matrix
    and improved by swaps.

    A solver cannot be cut into steps: it gets the time that is left, and runs in a
    thread of its own, so that Ctrl-C ends the call at once. Takes n ≤ 120.

    Parameters
    ----------
    cone : "sdp", or "dnn" for X ≥ 0 as well.
    solver : "CLARABEL" (interior point) or "SCS" (first order); None takes Clarabel up
        to 50 channels, and SCS above.
    tolerance : of the solver, 1e-12 at least.
    roundings : points rounded at the end.

    Raises
    ------
    InvalidProblem
        An option is not one of those.
    """
    _one_of("cone", cone, CONES)
    if solver is None:
        solver = "CLARABEL" if problem.n <= INTERIOR_POINT else "SCS"
    _one_of("solver", solver, SOLVERS)
    real_number("tolerance", tolerance, 1e-12)
    at_least("roundings", roundings, 0)
    settings = _Settings(cone == "dnn", solver, tolerance, roundings)
    return run(_steps(problem, limits, settings), limits)


@dataclass(frozen=True)
class _Settings:
    nonnegative: bool
    solver: str
    tolerance: float
    roundings: int


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        names = " or ".join(repr(each) for each in known)
        raise InvalidProblem(f"{name} = {value!r}; expected {names}")


def _steps(
    problem: ChannelSelection, limits: Limits, settings: _Settings
) -> Iterator[Step]:
    first = first_step(problem, plain_form(problem))
    yield first
    engine = engine_for(problem, seed=0)
    yield from engine.descend(first.x)
    if limits.remaining() < LEAST:
        return
    program = lift(problem)
    model = conic_model(program, settings.nonnegative)
    status = _solved(model, settings, limits)
    dual = mended_dual(program, model)
    if dual is None:
        yield Step(extra={"solver_status": status})
        return
    yield _step(problem, program, model, dual, status)
    yield from _points(engine, program, model, settings.roundings)


def _solved(model: ConicModel, settings: _Settings, limits: Limits) -> str:
    """Run the solver in a thread, so that Ctrl-C reaches Python; give its status."""
    options = _options(settings, limits)

    def work() -> None:
        model.problem.solve(solver=settings.solver, **options)

    with warnings.catch_warnings():
        # That a solution may be inaccurate is what the certificate is for.
        warnings.simplefilter("ignore")
        try:
            interruptible(work, settings.solver)
        except SolverError:
            return "solver_error"
    return str(model.problem.status)


def _options(settings: _Settings, limits: Limits) -> dict[str, Any]:
    tolerance, left = settings.tolerance, limits.remaining()
    if settings.solver == "SCS":
        options: dict[str, Any] = {"eps_abs": tolerance, "eps_rel": tolerance}
        options |= {"max_iters": 100_000, "time_limit_secs": left}
    else:
        names = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
        options = {**dict.fromkeys(names, tolerance), "time_limit": left}
    if left == math.inf:
        options = {key: v for key, v in options.items() if not key.startswith("time")}
    return options


def _step(
    problem: ChannelSelection,
    program: LiftedProgram,
    model: ConicModel,
    dual: Dual,
    status: str,
) -> Step:
    bound = lattice_of(problem).raised(certified(program, dual).bound)
    value: Any = model.problem.value
    known = math.nan if value is None else float(value)
    value = problem.constant + math.ldexp(known, program.exponent)
    extra = {"solver_status": status, "solver_value": value}
    price = _price(problem, program, dual, model.semidefinite.dual_value)
    return Step(bound=bound, duals=prices(problem, price), extra=extra)


def _price(
    problem: ChannelSelection, program: LiftedProgram, dual: Dual, X: Any
) -> float:
    """Give the fall of the bound per unit of budget added, at X."""
    if problem.cost is None or not program.has_budget or X is None:
        return 0.0
    x = np.clip(np.diagonal(X), 0.0, 1.0)
    price = float(dual.spend @ x + dual.save[:-1] @ (1.0 - x) + dual.save[-1])
    units = float(problem.cost.max()) / float(program.cost.max())
    return float(np.ldexp(price, program.exponent)) / units


def _points(
    engine: Engine, program: LiftedProgram, model: ConicModel, count: int
) -> Iterator[Step]:
    X = model.semidefinite.dual_value
    if X is None or not np.isfinite(X).all():
        return
    X = 0.5 * (X + X.T)
    for point in rounded_points(engine, program, X, count):
        yield from engine.descend(point)
