"""Swap search: local optima by fresh solves, never worse than where it starts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems.generate_reconstruction import FAMILIES, layer, regression
from ccsolve.solution import Stop
from ccsolve.solvers.reconstruction import greedy_removal, swap_search

HARD = layer(12, 2, 3, 5, 3, decay=2.0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rule", ["first", "best"])
def test_no_swap_is_better(family: str, rule: Any, swaps: Callable[..., Any]):
    problem = FAMILIES[family](8, 0)
    start = problem.random_point(np.random.default_rng(1))
    solution = swap_search.solve(problem, Limits(), start=start, rule=rule)
    assert solution.objective == problem.objective(solution.x)
    least = 1e-7 * abs(solution.objective) + 1e-9 * problem.data_scale
    others = list(swaps(problem, solution.x))
    assert solution.objective <= min(others, default=np.inf) + least


def test_it_is_not_worse_than_its_starts(values: Callable[..., Any]):
    better = 0
    for seed in range(10):
        problem = layer(12, 2, 3, 5, seed, decay=2.0)
        greedy = greedy_removal.solve(problem, Limits())
        found = swap_search.solve(problem, Limits())
        again = swap_search.solve(problem, Limits(), start=greedy.x)
        assert found.objective <= greedy.objective
        assert again.objective == found.objective
        better += found.objective < greedy.objective - 1e-9
    assert better


def test_more_starts_find_the_optimum(values: Callable[..., Any]):
    solution = swap_search.solve(HARD, Limits(), starts=20)
    assert solution.objective == pytest.approx(min(values(HARD)))
    again = swap_search.solve(HARD, Limits(), starts=20)
    assert (again.x == solution.x).all()


def test_the_weights_are_those_of_the_point():
    solution = swap_search.solve(HARD, Limits())
    assert (solution.extra["weights"] == HARD.refit(solution.x)).all()


def test_limits_leave_the_best_so_far():
    for steps in (1, 3, 20):
        solution = swap_search.solve(HARD, Limits(step_limit=steps), starts=5)
        assert solution.stop is Stop.STEP_LIMIT and HARD.violation(solution.x) == 0


@pytest.mark.parametrize("keep", [0, 6])
def test_settled_programs_have_one_point(keep: int):
    problem = regression(6, 1, 2, keep)
    solution = swap_search.solve(problem, Limits())
    assert solution.x.sum() == keep and solution.stop is Stop.FINISHED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": 0}, "starts = 0"),
        ({"rule": "any"}, "rule = 'any'; expected 'first' or 'best'"),
        ({"start": np.ones(12)}, "start violates"),
        ({"start": np.ones(3)}, "start has shape"),
    ],
)
def test_malformed_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        swap_search.solve(HARD, Limits(), **options)
