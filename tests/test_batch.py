"""Independent solves: in order, in parallel as in series, cancelled, interrupted."""

from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import Stop, batch, testing
from ccsolve.errors import InvalidProblem

PROBLEMS = [testing.problem("indefinite", 9, seed) for seed in range(6)]


def squared(number: int) -> int:
    return number * number


def refusing(number: int) -> int:
    if number == 3:
        raise InvalidProblem("three")
    return number


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_results_come_in_order(n_jobs: int | None):
    assert list(batch.each(squared, range(9), n_jobs=n_jobs)) == [
        number * number for number in range(9)
    ]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parallel_answers_are_those_in_series(n_jobs: int):
    series = [ccsolve.solve(problem, "tabu", step_limit=20) for problem in PROBLEMS]
    found = ccsolve.solve_all(PROBLEMS, "tabu", n_jobs=n_jobs, step_limit=20)
    assert [item.objective for item in found] == [item.objective for item in series]
    for one, other in zip(found, series, strict=True):
        np.testing.assert_array_equal(one.x, other.x)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_callback_sees_all_and_may_cancel(n_jobs: int):
    seen: list[int] = []

    def third(count: int, solution: ccsolve.Solution) -> bool:
        seen.append(count)
        return count == 3

    found = ccsolve.solve_all(PROBLEMS, n_jobs=n_jobs, callback=third)
    assert seen == [1, 2, 3] and len(found) == len(PROBLEMS)
    assert all(solution.bound > -np.inf for solution in found[:3])
    for problem, solution in zip(PROBLEMS[3:], found[3:], strict=True):
        assert solution.stop is Stop.CALLBACK and solution.bound == -np.inf
        ccsolve.verify(problem, solution)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
def test_a_number_of_cores_is_asked_for_in_words(n_jobs: Any):
    with pytest.raises(InvalidProblem, match="n_jobs"):
        list(batch.each(squared, range(3), n_jobs=n_jobs))


def test_ctrl_c_keeps_what_is_there():
    def pressed(count: int, solution: ccsolve.Solution) -> bool:
        if count == 2:
            raise KeyboardInterrupt
        return False

    found = ccsolve.solve_all(PROBLEMS, callback=pressed)
    stops = [solution.stop is Stop.INTERRUPTED for solution in found]
    assert stops == [False, False, True, True, True, True]


def test_ctrl_c_within_a_solve_ends_all(monkeypatch: pytest.MonkeyPatch):
    calls: list[ccsolve.ChannelSelection] = []

    def cut(problem: ccsolve.ChannelSelection, *_: object) -> ccsolve.Solution:
        calls.append(problem)
        stop = Stop.INTERRUPTED if len(calls) == 2 else Stop.FINISHED
        return ccsolve.Solution(None, np.inf, -np.inf, stop)

    monkeypatch.setattr(batch, "solve", cut)
    found = ccsolve.solve_all(PROBLEMS)
    assert len(calls) == 2 and len(found) == len(PROBLEMS)
    assert {solution.stop for solution in found[1:]} == {Stop.INTERRUPTED}


def test_what_the_work_raises_reaches_the_caller():
    given: list[int] = []
    with pytest.raises(InvalidProblem, match="three"):
        given.extend(batch.each(refusing, range(5)))
    with pytest.raises(InvalidProblem, match="given a ndarray"):
        ccsolve.solve_all([np.eye(2)])


def test_what_has_no_point_loses_nothing():
    hard = ccsolve.RateAllocation([[0, 0]] * 2, [[[0, 3], [3, 0]]] * 2, [2.0, 2.0])
    easy = hard.with_budgets([3.0, 3.0])
    found = ccsolve.solve_all([easy, hard, easy])
    claims = [solution.claim() for solution in found]
    assert claims[0] is claims[2] is ccsolve.Claim.OPTIMAL
    assert claims[1] is ccsolve.Claim.INFEASIBLE
    assert "budgets" in found[1].extra["infeasible"]


def test_nothing_to_do_gives_nothing():
    assert ccsolve.solve_all([]) == []


def test_items_are_taken_as_they_are_needed():
    taken: list[int] = []

    def numbers():
        for number in range(1000):
            taken.append(number)
            yield number

    next(batch.each(squared, numbers()))
    assert len(taken) < 10
