"""Reduced costs: what they fix, the best point has too, or the target is met."""

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.problems.generate import FAMILIES
from ccsolve.solvers.selection.branching.forcing import Reduced, forced, reduce
from ccsolve.solvers.selection.branching.goal import Goal
from ccsolve.solvers.selection.relaxing.box_qp import minimise
from ccsolve.solvers.selection.relaxing.convex_form import best_convex, plain_form
from ccsolve.solvers.selection.relaxing.lattice import lattice_of

KINDS = [name for name in FAMILIES if name not in ("keep_none", "keep_all", "fixed")]


def goal_at(problem: ChannelSelection, z: np.ndarray, gap: float = 1e-6) -> Goal:
    goal = Goal(problem, lattice_of(problem), gap, problem.resolution)
    goal.offer(z)
    return goal


def feasible_points(problem: ChannelSelection) -> np.ndarray:
    numbers = np.arange(2**problem.n)
    points = (numbers[:, None] >> np.arange(problem.n)) % 2 == 1
    return points[[problem.violation(z) == 0 for z in points]]


def reduction(fixed: np.ndarray, goal: Goal) -> Reduced | None:
    steps = reduce(fixed, goal)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def assert_nothing_is_left_out(
    problem: ChannelSelection, incumbent: np.ndarray, fixed: np.ndarray
) -> None:
    """No point below the target is left out, and what is left out is bounded."""
    goal = goal_at(problem, incumbent)
    found = reduction(fixed, goal)
    points = feasible_points(problem)
    inside = ((points == fixed) | (fixed == -1)).all(axis=1)
    values = np.array([problem.objective(z) for z in points])
    room = problem.resolution
    if found is None:
        assert not inside.any()
        return
    held = found.fixed != -1
    assert (found.fixed[fixed != -1] == fixed[fixed != -1]).all()
    remains = inside & ((points == found.fixed) | ~held).all(axis=1)
    assert found.bound <= values[remains].min(initial=np.inf) + room
    assert found.excluded <= values[inside & ~remains].min(initial=np.inf) + room
    assert not (inside & ~remains & (values < goal.target() - room)).any()


@pytest.mark.parametrize("family", KINDS)
def test_nothing_below_the_target_is_left_out(family: str, reduced):
    rng = np.random.default_rng(0)
    for seed in range(4):
        problem = reduced(family, 9, seed)
        points = feasible_points(problem)
        best = testing.brute_force(problem)[0]
        nothing = np.full(problem.n, -1, np.int8)
        for incumbent in (best, points[rng.integers(len(points))]):
            assert_nothing_is_left_out(problem, incumbent, nothing)
            some = nothing.copy()
            some[rng.permutation(problem.n)[:2]] = rng.integers(0, 2, 2)
            assert_nothing_is_left_out(problem, incumbent, some)


@pytest.mark.parametrize("family", KINDS)
def test_forced_values_are_those_of_all_points_below_the_target(family: str, reduced):
    for seed in range(3):
        problem = reduced(family, 9, seed)
        form = best_convex(plain_form(problem))
        points = feasible_points(problem)
        values = np.array([problem.objective(z) for z in points])
        levels = np.quantile(values, [0.0, 0.1, 0.5])
        for count, iterate in enumerate(minimise(form, np.full(9, 0.5)[: problem.n])):
            for target in levels:
                must = forced(form, iterate, float(target))
                better = points[values < target - problem.resolution]
                assert ((better == must) | (must == -1)).all()
            if count == 3:
                break


def test_separable_programs_are_fixed_to_the_end():
    """Everything has its value: what is left is one point, or less."""
    rng = np.random.default_rng(3)
    for n in (1, 2, 6):
        problem = ChannelSelection(np.diag(rng.standard_normal(n)))
        best = testing.brute_force(problem)[0]
        goal = goal_at(problem, best, 0.0)
        found = reduction(np.full(n, -1, np.int8), goal)
        assert found is not None
        held = found.fixed != -1
        assert (found.fixed[held] == best[held]).all()
        assert min(found.bound, found.excluded) <= goal.best.objective


def test_values_that_no_point_has_are_no_problem():
    problem = ChannelSelection(np.eye(4), keep=2)
    goal = goal_at(problem, np.array([True, True, False, False]))
    assert reduction(np.array([1, 1, 1, -1], np.int8), goal) is None


def test_a_program_of_which_all_is_fixed_has_one_point():
    q = np.array([-10.0, -10.0, 10.0, 1e-3])
    problem = ChannelSelection(np.zeros((4, 4)), q)
    goal = goal_at(problem, np.array([True, True, False, True]))
    found = reduction(np.full(4, -1, np.int8), goal)
    assert found is not None
    assert found.problem.n == 0
    assert list(found.fixed) == [1, 1, 0, 0]
