"""The incumbent, and the bound at which a subtree is of no interest."""

import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.iterate import Step
from ccsolve.problems.generate import k_cluster
from ccsolve.solvers.selection.branching.goal import Goal
from ccsolve.solvers.selection.relaxing.lattice import lattice_of


def goal_of(problem: ChannelSelection, gap: float = 1e-6) -> Goal:
    return Goal(problem, lattice_of(problem), gap, problem.resolution)


def test_without_a_point_everything_is_of_interest():
    goal = goal_of(testing.problem("cancelling", 6))
    assert goal.target() == math.inf
    goal.best.seen(Step(np.ones(6, bool), 2.0))
    assert goal.target() < 2.0


def test_points_are_scored_and_checked_by_the_problem():
    problem = testing.problem("budgeted", 9, 1)
    goal = goal_of(problem)
    z, least = testing.brute_force(problem)
    assert goal.offer(np.ones(9, bool)) == Step()
    step = goal.offer(z)
    assert step.objective == problem.objective(z) == pytest.approx(least)
    assert goal.offer(z) == Step()


@pytest.mark.parametrize("gap", [0.0, 1e-6, 0.1])
def test_what_reaches_the_target_closes_the_gap(gap: float):
    problem = testing.problem("cancelling", 8)
    goal = goal_of(problem, gap)
    z, least = testing.brute_force(problem)
    goal.offer(z)
    target = goal.target()
    assert target < goal.best.objective
    left = goal.best.objective - target
    assert left <= max(gap * abs(least), problem.resolution)


def test_whole_data_leave_a_step_to_the_next_value():
    """Nothing lies between, and a bound at the target is raised to the objective."""
    for factor in (1.0, 3.0):
        cluster = k_cluster(9, 0.5, 4, 1)
        assert cluster.Q is not None
        problem = ChannelSelection(factor * cluster.Q, keep=4, constant=0.25)
        goal = goal_of(problem, 0.0)
        goal.offer(testing.brute_force(problem)[0])
        assert goal.best.objective - factor < goal.target() < goal.best.objective
        assert goal.lattice.raised(goal.target()) == goal.best.objective


def test_the_target_only_falls_with_better_points():
    problem = testing.problem("indefinite", 8, 2)
    goal, rng = goal_of(problem), np.random.default_rng(0)
    targets = []
    for _ in range(60):
        z = np.zeros(8, bool)
        z[rng.permutation(8)[: problem.keep]] = True
        goal.offer(z)
        targets.append(goal.target())
    assert targets == sorted(targets, reverse=True)
