"""Exact search: proven to the gap that was asked for, whatever ends it."""

import math
import time

import numpy as np
import pytest

from ccsolve import ChannelSelection, Progress, Stop, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import (
    FAMILIES,
    cancelling,
    diversity,
    euclidean_diversity,
    k_cluster,
)
from tests.solvers.selection.branching.proofs import (
    assert_solved,
    check_curves,
    check_many,
)


def test_optimum_and_bound_are_those_of_brute_force():
    check_many(0, 150)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_proven(family: str):
    for seed in range(2):
        problem = testing.problem(family, 12, seed)
        assert_solved(problem, 1e-6, seed=seed)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_scales(scale: float):
    for family in ("cancelling", "indefinite", "budgeted", "unconstrained"):
        problem = testing.problem(family, 11, 5)
        assert problem.Q is not None
        cost = None if problem.cost is None else scale * problem.cost
        budget = None if problem.budget is None else scale * problem.budget
        scaled = ChannelSelection(
            scale * problem.Q,
            scale * problem.q,
            problem.keep,
            scale * problem.constant,
            cost=cost,
            budget=budget,
        )
        assert_solved(scaled, 1e-6)


def test_whole_data_close_the_gap():
    for problem in (k_cluster(14, 0.5, 6, 2), diversity(14, 5, 1)):
        found = assert_solved(problem, 0.0)
        assert found.bound == found.objective == round(found.objective)


def test_a_budget_that_few_points_meet():
    rng = np.random.default_rng(1)
    for keep in (None, 5):
        for seed in range(6):
            cost = np.round(10.0 * rng.random(12), 1)
            least = float(np.sort(cost)[: keep or 0].sum())
            Q = cancelling(12, seed=seed).Q
            problem = ChannelSelection(
                Q, -np.ones(12), keep, cost=cost, budget=least + 0.3
            )
            assert_solved(problem, 1e-6)


def test_the_same_seed_gives_the_same_run():
    for problem in (cancelling(40, seed=1), testing.problem("budgeted", 30, 2)):
        runs = [
            solve(problem, "branch_and_bound", time_limit=None, step_limit=150, seed=3)
            for _ in range(2)
        ]
        first, second = (
            [(p.step, p.objective, p.bound) for p in run.trace] for run in runs
        )
        assert first == second and np.array_equal(runs[0].x, runs[1].x)


def test_the_bound_rises_while_it_searches():
    problem = cancelling(70, seed=1)
    found = solve(problem, "branch_and_bound", time_limit=None, step_limit=700)
    check_curves(found)
    assert found.bound <= found.objective
    bounds = [point.bound for point in found.trace]
    assert len(set(bounds)) > 5


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.3])
def test_a_time_limit_leaves_point_and_bound(seconds: float):
    for problem in (
        cancelling(120, seed=1),
        k_cluster(160, 0.5, 80),
        testing.problem("budget_only", 200),
        euclidean_diversity(350, 40),
    ):
        start = time.perf_counter()
        found = solve(problem, "branch_and_bound", time_limit=seconds)
        assert time.perf_counter() - start < seconds + 5.0
        assert problem.violation(found.x) == 0
        assert -math.inf < found.bound <= found.objective
        check_curves(found)


@pytest.mark.parametrize("calls", [1, 3, 6])
def test_an_interrupt_keeps_what_was_found(calls: int):
    seen: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == calls:
            raise KeyboardInterrupt

    problem = cancelling(60, seed=4)
    found = solve(problem, "branch_and_bound", time_limit=60.0, callback=interrupt)
    assert found.stop is Stop.INTERRUPTED and len(seen) == calls
    assert found.objective <= seen[-1].objective and found.bound >= seen[-1].bound
    assert problem.violation(found.x) == 0 and found.bound <= found.objective


def test_malformed_options_are_refused():
    for cuts in (-1, 2.5, 10**6):
        with pytest.raises(InvalidProblem):
            solve(cancelling(6), "branch_and_bound", cuts=cuts)
