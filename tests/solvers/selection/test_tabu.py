import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import FAMILIES, cancelling, diversity
from ccsolve.solution import Stop
from ccsolve.solvers.selection.searching import engine, windows


@pytest.mark.parametrize("family", FAMILIES)
def test_small_programs_are_solved_and_the_search_ends(family: str):
    for n in (5, 12):
        problem = testing.problem(family, n, 7)
        solution = solve(problem, "tabu", time_limit=None, restarts=1)
        _, optimum = testing.brute_force(problem)
        slack = problem.resolution + 1e-9 * abs(optimum)
        assert solution.objective <= optimum + slack
        assert solution.stop is Stop.FINISHED


def test_it_is_no_worse_than_descents_and_annealing():
    for problem in (cancelling(90, seed=1), diversity(90, 30, seed=1)):
        best = solve(problem, "tabu", step_limit=300, time_limit=None)
        for method in ("local_search", "annealing"):
            other = solve(problem, method, step_limit=100, time_limit=None)
            assert best.objective <= other.objective + problem.resolution


def test_every_option_has_an_effect():
    problem = cancelling(160, rank=80, seed=5)
    long = {"step_limit": 200}
    testing.check_option("tabu", problem, "tenure", (1, 20), **long)
    testing.check_option("tabu", problem, "patience", (20, 500), **long)
    testing.check_option("tabu", problem, "candidates", (1, 5), **long)
    testing.check_option("tabu", problem, "population", (3, 30), **long)
    testing.check_option("tabu", problem, "sweeps", (1, 200), **long)
    start = np.arange(160) < 80
    testing.check_option("tabu", problem, "start", (None, start), **long)
    small = cancelling(12, seed=1)
    ends = {"step_limit": None}
    testing.check_option("tabu", small, "restarts", (1, 4), **ends)


@pytest.mark.parametrize(
    "option",
    [
        {"tenure": -1},
        {"patience": 0},
        {"candidates": 0},
        {"population": 1},
        {"sweeps": 0},
        {"restarts": 0},
        {"tenure": 2.5},
    ],
)
def test_options_are_checked(option: dict):
    (name,) = option
    with pytest.raises(InvalidProblem, match=f"{name} = "):
        solve(cancelling(10), "tabu", **option)


def test_without_restarts_it_goes_on():
    problem = cancelling(12, seed=1)
    solution = solve(problem, "tabu", restarts=None, time_limit=None, step_limit=5000)
    assert solution.stop is Stop.STEP_LIMIT


def test_a_factor_too_large_to_form_is_searched_in_windows(
    monkeypatch: pytest.MonkeyPatch,
):
    rng = np.random.default_rng(3)
    problem = ChannelSelection(factor=rng.standard_normal((12, 90)), keep=45)
    whole = solve(problem, "tabu", step_limit=300, time_limit=None)
    monkeypatch.setattr(engine, "FORMED_LIMIT", 10)
    monkeypatch.setattr(windows, "WINDOW", 40)
    windowed = solve(problem, "tabu", step_limit=300, time_limit=None, sweeps=3)
    assert windowed.objective <= 1.5 * whole.objective
    testing.check_method("tabu", problem, sweeps=3)
