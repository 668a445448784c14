"""The convex reformulation: convex, the same where feasible, as tight as the dual."""

import itertools

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import cancelling
from ccsolve.solvers.selection import qcr
from ccsolve.solvers.selection.relaxing import lagrangian_ascent

UNLIMITED = {"time_limit": None, "gap": 0.0}
FAMILIES = (
    "k_cluster",
    "cancelling",
    "indefinite",
    "factored",
    "budgeted",
    "budget_only",
    "factored_budget",
    "unconstrained",
    "huge",
    "tiny",
)


def reformulated(problem: ChannelSelection) -> ChannelSelection:
    return solve(problem, "qcr", **UNLIMITED).extra["reformulation"]


def same_at_feasible_points(first: ChannelSelection, second: ChannelSelection) -> None:
    room = 1e3 * first.resolution
    for bits in itertools.product((False, True), repeat=first.n):
        z = np.array(bits)
        if first.violation(z) == 0:
            assert second.violation(z) == 0
            assert second.objective(z) == pytest.approx(first.objective(z), abs=room)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_quadratic_is_convex_and_the_same_where_feasible(family: str):
    problem = testing.problem(family, 9, 3)
    reformed = reformulated(problem)
    assert reformed.Q is not None
    least = float(np.linalg.eigvalsh(reformed.Q)[0])
    assert least >= -1e-12 * np.linalg.norm(reformed.Q)
    same_at_feasible_points(problem, reformed)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bound_is_that_of_the_semidefinite_relaxation(family: str):
    problem = testing.problem(family, 24, 1)
    tight, known = (solve(problem, name, **UNLIMITED).bound for name in ("qcr", "sdp"))
    room = 2e-3 if problem.budget is not None else 1e-4
    assert tight >= known - room * abs(known) - problem.resolution


def test_the_root_of_the_quadratic_attains_the_bound_of_sdp():
    # Minimised by others: its matrix is convex as it stands, no shift is added.
    problem = cancelling(40, seed=2)
    root = solve(reformulated(problem), "convex_relaxation", **UNLIMITED).bound
    known = solve(problem, "sdp", **UNLIMITED).bound
    plain = solve(problem, "convex_relaxation", **UNLIMITED).bound
    assert root >= known - 1e-4 * abs(known)
    assert root > plain + 0.1 * abs(plain)


def test_the_reformulation_has_the_same_optimum():
    for family in ("cancelling", "budgeted"):
        problem = testing.problem(family, 14, 5)
        first, second = (
            solve(p, "enumerate_all").objective
            for p in (problem, reformulated(problem))
        )
        assert second == pytest.approx(first, abs=1e3 * problem.resolution)


def test_fixed_channels_are_not_in_the_reformulation():
    assert reformulated(testing.problem("partly_fixed", 10, 1)).n == 8


def test_large_programs_take_their_multipliers_from_a_descent(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(lagrangian_ascent, "DENSE_CHANNELS", 5)
    for family in ("cancelling", "budgeted", "unconstrained"):
        problem = testing.problem(family, 12, 0)
        testing.check_answer("qcr", problem, step_limit=None)
        same_at_feasible_points(problem, reformulated(problem))
    problem = cancelling(60, seed=0)
    found = solve(problem, "qcr", **UNLIMITED).bound
    known = solve(problem, "sdp", **UNLIMITED).bound
    assert found >= known - 5e-2 * abs(known)


def test_programs_too_large_for_a_matrix_get_the_convex_relaxation(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(qcr, "LARGEST", 5)
    found = testing.check_answer("qcr", cancelling(9, seed=0))
    assert "reformulation" not in found.extra


def test_no_multipliers_are_sought_that_the_time_left_does_not_allow(
    monkeypatch: pytest.MonkeyPatch,
):
    solve(cancelling(6), "qcr")

    def begun(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(qcr, "lift", begun)
    found = solve(cancelling(400, seed=0), "qcr", time_limit=0.02)
    assert -np.inf < found.bound <= found.objective


@pytest.mark.parametrize("option", [{"tolerance": -1.0}, {"roundings": -1}])
def test_malformed_options_are_refused(option: dict):
    with pytest.raises(InvalidProblem):
        solve(cancelling(6), "qcr", **option)
