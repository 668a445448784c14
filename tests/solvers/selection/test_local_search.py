import itertools

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import FAMILIES, cancelling, diversity, loss_model
from ccsolve.solvers.selection.searching import engine, windows
from ccsolve.solvers.selection.searching.dense_program import value_of


def _swaps(z: np.ndarray):
    for i, j in itertools.product(np.flatnonzero(z), np.flatnonzero(~z)):
        other = z.copy()
        other[[i, j]] ^= True
        yield other


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_is_a_local_optimum_of_swaps(family: str):
    problem = testing.problem(family, 12, 4)
    if problem.keep is None or problem.fixed is not None:
        return
    solution = solve(problem, "local_search", starts=1)
    for other in _swaps(solution.x):
        if problem.violation(other) == 0:
            value = problem.objective(other)
            assert value >= solution.objective - 2 * problem.resolution


def test_without_constraints_no_flip_is_better():
    problem = testing.problem("unconstrained", 20, 1)
    solution = solve(problem, "local_search", starts=1)
    for k in range(20):
        other = solution.x.copy()
        other[k] ^= True
        assert problem.objective(other) >= solution.objective - 1e-9


def test_more_starts_find_better():
    problem = diversity(60, 12, seed=2)
    one, many = (solve(problem, "local_search", starts=k) for k in (1, 200))
    assert many.objective < one.objective
    testing.check_option("local_search", problem, "starts", (1, 5))


def test_it_begins_where_it_is_told():
    problem = cancelling(30, seed=1)
    start = np.arange(30) < 15
    solution = solve(problem, "local_search", start=start, starts=1)
    assert solution.trace[0].objective == problem.objective(start)
    testing.check_option("local_search", problem, "start", (None, start), starts=1)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.ones(30), r"start violates the problem's constraints by 15"),
        (np.ones(29), r"start has shape \(29,\)"),
        (np.full(30, 0.5), r"start violates"),
    ],
)
def test_a_bad_start_is_refused(start: np.ndarray, message: str):
    with pytest.raises(InvalidProblem, match=message):
        solve(cancelling(30), "local_search", start=start)


def test_no_starts_are_refused():
    with pytest.raises(InvalidProblem, match="starts = 0"):
        solve(cancelling(10), "local_search", starts=0)


@pytest.mark.parametrize("constraint", ["keep", "budget", "both", "none"])
def test_windows_search_a_factor_as_well(
    monkeypatch: pytest.MonkeyPatch, constraint: str
):
    rng = np.random.default_rng(6)
    cost = rng.uniform(1, 2, 80)
    budget = {"cost": cost, "budget": 0.45 * cost.sum()}
    problem = ChannelSelection(
        factor=rng.standard_normal((6, 80)),
        q=-rng.uniform(0, 4, 80),
        keep=None if constraint in ("budget", "none") else 30,
        **({} if constraint in ("keep", "none") else budget),
    )
    whole = solve(problem, "local_search", starts=20)
    monkeypatch.setattr(engine, "FORMED_LIMIT", 10)
    monkeypatch.setattr(windows, "WINDOW", 32)
    windowed = solve(problem, "local_search", starts=20)
    assert problem.violation(windowed.x) == 0
    assert windowed.objective <= whole.objective + 0.1 * abs(whole.objective)
    testing.check_method("local_search", problem)


def test_a_window_changes_as_the_whole_does():
    problem = loss_model(40, 18, 8, seed=2, factored=True)
    rng = np.random.default_rng(0)
    z = np.zeros(40, dtype=bool)
    z[rng.permutation(40)[:18]] = True
    point = windows.factor_point(problem, z)
    channels = np.sort(rng.permutation(40)[:12])
    program = windows.window_program(problem, point, channels, 1e-9)
    before = value_of(program, z[channels])
    for _ in range(20):
        inside = rng.permutation(z[channels])
        other = z.copy()
        other[channels] = inside
        change = problem.objective(other) - problem.objective(z)
        assert value_of(program, inside) - before == pytest.approx(change)
    moved = channels[inside != z[channels]]
    point.flip(problem.arrays().points, moved, change)
    assert np.array_equal(point.z, other)
    assert point.value == pytest.approx(problem.objective(other) - problem.constant)
    assert problem.factor is not None
    assert point.image == pytest.approx(problem.factor @ other)
