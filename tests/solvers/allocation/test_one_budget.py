import itertools
import math

import numpy as np
import pytest

from ccsolve.errors import Infeasible, InvalidProblem, Unsupported
from ccsolve.iterate import Limits
from ccsolve.problems import RateAllocation
from ccsolve.problems.generate_allocation import netlike, pisinger
from ccsolve.solution import Stop, verify
from ccsolve.solvers.allocation.corridor.hulls import prepare
from ccsolve.solvers.allocation.one_budget import solve, solve_prepared

KINDS = ["real", "scaled", "whole", "correlated", "degenerate"]
PISINGER = ["uncorrelated", "weak", "strong", "subset_sum"]


def exactly(problem, **options):
    return Limits(gap=0.0, resolution=problem.resolution, **options)


def brute_force(problem):
    points = itertools.product(*[range(size) for size in problem.sizes])
    values = (problem.objective(x) for x in points if problem.violation(x) == 0)
    return min(values, default=math.inf)


def assert_optimal(problem, solution):
    optimum = brute_force(problem)
    verify(problem, solution)
    assert problem.violation(solution.x) == 0
    assert solution.bound <= optimum <= solution.objective
    assert solution.objective - optimum <= problem.resolution
    assert solution.gap == 0


@pytest.mark.parametrize("kind", KINDS)
def test_small_programs_are_solved_exactly(small_allocation, kind):
    solved = 0
    for seed in range(60):
        try:
            problem = small_allocation(kind, 1, seed)
        except Infeasible:
            continue
        assert_optimal(problem, solve(problem, exactly(problem)))
        solved += 1
    assert solved > 20


@pytest.mark.parametrize("kind", PISINGER)
@pytest.mark.parametrize("largest", [9, 1000])
def test_pisingers_programs_are_solved_exactly(kind, largest):
    for seed in range(8):
        problem = pisinger(kind, 5, 5, seed=seed, largest=largest)
        assert_optimal(problem, solve(problem, exactly(problem)))


@pytest.mark.parametrize("kind", PISINGER)
def test_larger_programs_are_closed(kind):
    problem = pisinger(kind, 30, 40, seed=4)
    solution = solve(problem, exactly(problem))
    verify(problem, solution)
    assert solution.bound == solution.objective


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_programs_like_networks_are_closed(share):
    problem = netlike(40, 60, seed=1, share=share)
    solution = solve(problem, exactly(problem))
    verify(problem, solution)
    assert solution.gap == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limits", [{"step_limit": 1}, {"time_limit": 0.0}])
def test_limits_leave_a_point_and_a_bound(small_allocation, kind, limits):
    problem = small_allocation(kind, 1, 7)
    solution = solve(problem, exactly(problem, **limits))
    assert solution.stop in (Stop.STEP_LIMIT, Stop.TIME_LIMIT, Stop.GAP)
    assert problem.violation(solution.x) == 0
    assert -math.inf < solution.bound <= brute_force(problem)


@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_where_lists_are_too_short(seed):
    problem = pisinger("strong", 6, 5, seed=seed, largest=10**6)
    solution = solve(problem, exactly(problem), states=64)
    optimum = brute_force(problem)
    assert solution.bound <= optimum <= solution.objective
    wide = netlike(60, 200, seed=seed)
    narrow = solve(wide, exactly(wide), states=64)
    best = solve(wide, exactly(wide))
    assert narrow.bound <= best.objective and best.bound <= narrow.objective


def test_prices_are_the_slope_of_the_relaxation():
    problem = netlike(20, 50, seed=2)
    (price,) = solve(problem, exactly(problem)).duals["budgets"]
    assert price > 0
    step = 0.05 * problem.budgets
    for sign in (-1.0, 1.0):
        moved = problem.budgets + sign * step
        other = RateAllocation(problem.losses, problem.costs, moved)
        bound = solve(other, Limits(step_limit=2)).bound
        base = solve(problem, Limits(step_limit=2)).bound
        assert bound >= base - sign * price * step[0] - 1e-9


def test_a_budget_above_everything_takes_the_best_at_no_price():
    problem = RateAllocation([[3.0, 1.0], [-2.0, 5.0]], [[0.0, 9.0], [4.0, 1.0]], 99.0)
    solution = solve(problem, exactly(problem))
    assert solution.x.tolist() == [1, 0] and solution.objective == -1.0
    assert solution.bound == -1.0 and solution.duals["budgets"].tolist() == [0.0]


def test_a_budget_at_the_cheapest_leaves_the_cheapest():
    losses, costs = [[0.0, 1.0, 2.0]] * 3, [[5.0, 0.1, 0.1]] * 3
    problem = RateAllocation(losses, costs, math.fsum([0.1] * 3))
    solution = solve(problem, exactly(problem))
    assert solution.x.tolist() == [1, 1, 1] and solution.gap == 0


@pytest.mark.parametrize(
    ("losses", "costs", "budget", "optimum"),
    [
        ([[2.0]], [[1.0]], 1.0, 2.0),
        ([[2.0], [3.0, 1.0]], [[1.0], [0.0, 4.0]], 1.0, 5.0),
        ([[3.0, 1.0], [2.0, 7.0]], [[0.0, 0.0], [0.0, 0.0]], 0.0, 3.0),
        ([[1.0, 1.0], [1.0, 1.0]], [[5.0, 2.0], [3.0, 1.0]], 3.0, 2.0),
        ([[-1.0, -4.0], [-2.0, -2.5]], [[0.0, 3.0], [0.0, 1.0]], 3.0, -6.0),
        ([[4.0, 1.0, 1.0, 4.0]] * 2, [[1.0, 3.0, 3.0, 1.0]] * 2, 4.0, 5.0),
        ([[1e200, 0.0]] * 2, [[0.0, 1e-200]] * 2, 1e-200, 1e200),
        ([[1e-200, 0.0]] * 2, [[0.0, 1e200]] * 2, 1e200, 1e-200),
    ],
)
def test_degenerate_programs(losses, costs, budget, optimum):
    problem = RateAllocation(losses, costs, budget)
    solution = solve(problem, exactly(problem))
    assert solution.objective == optimum and solution.gap == 0
    assert problem.violation(solution.x) == 0
    assert np.isfinite(solution.duals["budgets"]).all()


def test_prepared_tables_serve_every_budget():
    problem = netlike(15, 40, seed=3)
    prepared = prepare(problem)
    for share in (0.1, 0.4, 0.9):
        other = netlike(15, 40, seed=3, share=share)
        warm = solve_prepared(other, prepared, exactly(other))
        cold = solve(other, exactly(other))
        assert warm.objective == cold.objective and warm.bound == cold.bound
        assert np.array_equal(warm.x, cold.x)


def test_other_programs_are_refused():
    problem = netlike(4, 20)
    for other in (netlike(5, 20), netlike(4, 20, seed=1)):
        with pytest.raises(InvalidProblem, match="the tables were prepared from"):
            solve_prepared(problem, prepare(other), Limits())
    with pytest.raises(Unsupported, match="2 budgets and 0 pairs"):
        solve(netlike(4, 20, 2), Limits())
    paired = RateAllocation(
        [[1.0, 2.0]] * 2, [[1.0, 0.0]] * 2, 3.0, {(0, 1): np.ones((2, 2))}
    )
    with pytest.raises(Unsupported, match="1 budgets and 1 pairs"):
        solve(paired, Limits())
    with pytest.raises(InvalidProblem, match="states = 3"):
        solve(problem, Limits(), states=3)


@pytest.mark.slow
def test_ten_million_options():
    problem = netlike(1000, 10_000, share=0.4)
    solution = solve(problem, Limits(resolution=problem.resolution))
    verify(problem, solution)
    assert solution.gap <= 1e-6
