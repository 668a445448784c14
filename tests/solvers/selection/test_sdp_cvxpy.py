import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.iterate import Limits
from ccsolve.problems.generate import cancelling
from ccsolve.solvers.selection import sdp_cvxpy
from ccsolve.solvers.selection.relaxing.conic_model import conic_model, mended_dual
from ccsolve.solvers.selection.relaxing.duals import certified
from ccsolve.solvers.selection.relaxing.lifted import lift

KINDS = ("cancelling", "indefinite", "budgeted", "budget_only", "unconstrained")


@pytest.mark.parametrize("cone", ["sdp", "dnn"])
@pytest.mark.parametrize("family", KINDS)
def test_both_solvers_find_the_same_bound(family: str, cone: str):
    problem = testing.problem(family, 12, 0)
    first, second = (
        sdp_cvxpy.solve(problem, Limits(gap=0.0), cone=cone, solver=solver)
        for solver in ("CLARABEL", "SCS")
    )
    room = 1e-4 * problem.n * problem.data_scale
    assert first.bound == pytest.approx(second.bound, abs=room)
    # Repairing costs little, and the solver's own value is no bound by itself.
    assert first.bound == pytest.approx(first.extra["solver_value"], abs=room)
    assert first.extra["solver_status"] == "optimal"


@pytest.mark.parametrize("family", KINDS)
def test_nonnegative_products_can_only_help(family: str):
    problem = testing.problem(family, 11, 1)
    plain, cut = (
        sdp_cvxpy.solve(problem, Limits(gap=0.0), cone=cone).bound
        for cone in ("sdp", "dnn")
    )
    _, optimum = testing.brute_force(problem)
    assert plain <= cut + 1e-6 * problem.n * problem.data_scale
    assert cut <= optimum


@pytest.mark.parametrize("family", KINDS)
def test_a_dual_broken_on_purpose_still_proves_a_bound(family: str):
    problem = testing.problem(family, 10, 2)
    _, optimum = testing.brute_force(problem)
    program = lift(problem)
    model = conic_model(program, nonnegative=True)
    rng = np.random.default_rng(0)
    for size in (0.0, 1e-3, 1.0, 1e3):
        for variable in (model.y, model.pairs, model.spend, model.save):
            if variable is not None:
                # Set past the attributes: multipliers of the wrong sign, too.
                variable.save_value(size * rng.standard_normal(variable.shape))
        dual = mended_dual(program, model)
        assert dual is not None
        assert -math.inf < certified(program, dual).bound <= optimum


def test_a_model_without_a_solution_has_no_dual():
    program = lift(cancelling(6))
    assert mended_dual(program, conic_model(program, nonnegative=False)) is None


@pytest.mark.parametrize(
    "option",
    [
        {"cone": "lp"},
        {"cone": None},
        {"solver": "MOSEK"},
        {"solver": "clarabel"},
        {"tolerance": 0.0},
        {"tolerance": math.nan},
        {"roundings": -1},
    ],
)
def test_malformed_options_are_refused(option: dict):
    with pytest.raises(InvalidProblem, match=next(iter(option))):
        solve(testing.problem("k_cluster", 8), "sdp_cvxpy", **option)


def test_large_programs_are_refused():
    with pytest.raises(Unsupported, match="n <= 120"):
        solve(cancelling(121), "sdp_cvxpy")


def test_without_time_for_a_solver_there_is_a_point_and_a_bound():
    problem = cancelling(100, seed=0)
    found = solve(problem, "sdp_cvxpy", time_limit=0.01)
    assert problem.violation(found.x) == 0
    assert -math.inf < found.bound <= found.objective
    assert "solver_status" not in found.extra


def test_a_solver_that_gives_up_is_no_error(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object, **__: object) -> None:
        raise sdp_cvxpy.SolverError("no")

    monkeypatch.setattr("cvxpy.Problem.solve", fails)
    found = solve(cancelling(10), "sdp_cvxpy")
    assert found.extra["solver_status"] == "solver_error"
    assert -math.inf < found.bound <= found.objective


def test_other_failures_are_raised(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("cvxpy.Problem.solve", fails)
    with pytest.raises(RuntimeError, match="a defect"):
        solve(cancelling(10), "sdp_cvxpy")


def test_the_budget_has_the_price_of_sdp():
    problem = testing.problem("budgeted", 12, 0)
    ours = solve(problem, "sdp", time_limit=None, step_limit=2000, gap=0.0)
    theirs = sdp_cvxpy.solve(problem, Limits(gap=0.0))
    price = float(theirs.duals["budget"][0])
    assert price == pytest.approx(float(ours.duals["budget"][0]), rel=0.1, abs=0.05)
    assert price > 0
    assert problem.budget is not None
    more = ChannelSelection(
        problem.Q,
        problem.q,
        problem.keep,
        problem.constant,
        cost=problem.cost,
        budget=problem.budget + 1e-3,
    )
    fall = (theirs.bound - sdp_cvxpy.solve(more, Limits(gap=0.0)).bound) / 1e-3
    assert fall == pytest.approx(price, rel=0.05)
