"""Search and bound: never worse than the swap search, its bound never above."""

from collections.abc import Callable
from typing import Any

import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems.generate_reconstruction import FAMILIES, layer
from ccsolve.solvers.reconstruction import search_and_bound, swap_search


@pytest.mark.parametrize("family", FAMILIES)
def test_point_and_bound_enclose_the_optimum(family: str, values: Callable[..., Any]):
    problem = FAMILIES[family](8, 0)
    solution = search_and_bound.solve(problem, Limits(resolution=problem.resolution))
    best, swaps = min(values(problem)), swap_search.solve(problem, Limits())
    room = 1e-12 * abs(best) + problem.resolution
    assert solution.bound <= best + room
    assert best - room <= solution.objective
    assert solution.objective <= swaps.objective + 1e-6 * abs(best)
    assert solution.objective == problem.objective(solution.x)
    assert (solution.extra["weights"] == problem.refit(solution.x)).all()


def test_kicks_find_what_one_descent_does_not(values: Callable[..., Any]):
    for seed in range(5):
        problem = layer(12, 2, 3, 5, seed, decay=2.0)
        solution = search_and_bound.solve(problem, Limits())
        assert solution.objective == pytest.approx(min(values(problem)))


def test_the_same_seed_gives_the_same_answer():
    problem = layer(20, 1, 4, 10, decay=2.0)
    runs = [search_and_bound.solve(problem, Limits(), seed=5) for _ in range(2)]
    assert (runs[0].x == runs[1].x).all()


def test_malformed_kicks_are_refused():
    with pytest.raises(InvalidProblem, match="kicks = "):
        search_and_bound.solve(layer(4, 1, 2, 2), Limits(), kicks=-1)
