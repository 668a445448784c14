"""Greedy removal and addition: each decision is the best one, by fresh solves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.generate_reconstruction import FAMILIES, layer
from ccsolve.solution import Stop
from ccsolve.solvers.reconstruction import greedy_addition, greedy_removal

METHODS = [greedy_removal, greedy_addition]
SINGULAR = {"few_samples", "duplicated", "nothing_to_fit", "independent"}
"""Families where ties leave several greedy choices."""


def best_flip(problem: ReconstructionSelection, x: np.ndarray, to: bool) -> np.ndarray:
    """Give the point with the one best channel added or removed."""
    points = [x ^ (np.arange(problem.n) == j) for j in np.flatnonzero(x != to)]
    return min(points, key=problem.objective)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - SINGULAR))
def test_removal_is_greedy_by_fresh_solves(family: str):
    problem = FAMILIES[family](9, 0)
    x = np.ones(9, dtype=bool)
    while x.sum() > problem.keep:
        x = best_flip(problem, x, to=False)
    assert (greedy_removal.solve(problem, Limits()).x == x).all()


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - SINGULAR))
def test_addition_is_greedy_by_fresh_solves(family: str):
    problem = FAMILIES[family](9, 0)
    x = np.zeros(9, dtype=bool)
    while x.sum() < problem.keep:
        x = best_flip(problem, x, to=True)
    solution = greedy_addition.solve(problem, Limits())
    first = problem.objective(problem.feasible_point())
    assert solution.objective == min(first, problem.objective(x))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_feasible_scored_and_fitted(
    method: Any, family: str, values: Callable[..., Any]
):
    problem = FAMILIES[family](7, 1)
    solution = method.solve(problem, Limits())
    assert solution.x.dtype == bool and problem.violation(solution.x) == 0
    assert solution.objective == problem.objective(solution.x)
    assert (solution.extra["weights"] == problem.refit(solution.x)).all()
    assert solution.bound == -np.inf and solution.stop is Stop.FINISHED
    best = min(values(problem))
    assert solution.objective >= best - 1e-9 * abs(best) - problem.resolution


def test_a_copy_of_a_channel_goes_first():
    problem = FAMILIES["duplicated"](10, 0)
    keeping = ReconstructionSelection(
        problem.moments, problem.cross, 5, 1, None, problem.constant
    )
    x = greedy_removal.solve(keeping, Limits()).x
    assert (x.reshape(5, 2).sum(axis=1) == 1).all()
    assert keeping.objective(x) == pytest.approx(0, abs=1e-9)


def test_blocks_remove_the_cheapest_together():
    problem = layer(9, 2, 4, 5)
    everything, rises = np.ones(9, dtype=bool), np.zeros(9)
    for j in range(9):
        x = everything.copy()
        x[j] = False
        rises[j] = problem.objective(x)
    cheapest = np.argsort(rises)[:4]
    x = greedy_removal.solve(problem, Limits(), block=4).x
    assert set(np.flatnonzero(~x)) == set(cheapest)
    assert greedy_removal.solve(problem, Limits(), block=99).x.sum() == 5


@pytest.mark.parametrize("block", [0, -1, 1.5, True])
def test_a_malformed_block_is_refused(block: Any):
    with pytest.raises(InvalidProblem, match="block = "):
        greedy_removal.solve(layer(4, 1, 2, 2), Limits(), block=block)


@pytest.mark.parametrize("method", METHODS)
def test_a_limit_leaves_a_feasible_point(method: Any):
    problem = layer(9, 1, 4, 5)
    for steps in (1, 2, 3):
        solution = method.solve(problem, Limits(step_limit=steps))
        assert solution.stop is Stop.STEP_LIMIT
        assert problem.violation(solution.x) == 0
