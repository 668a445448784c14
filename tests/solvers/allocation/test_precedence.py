import numpy as np
import pytest

from ccsolve import testing
from ccsolve.iterate import Limits
from ccsolve.problems import RateAllocation
from ccsolve.problems.generate_allocation import netlike
from ccsolve.solution import verify
from ccsolve.solvers.allocation import precedence, several_budgets


@pytest.mark.parametrize("count", [7, 10_000])
@pytest.mark.parametrize("kind", ["real", "scaled", "spread", "whole", "degenerate"])
def test_points_keep_the_budget(kind: str, count: int, small_allocation):
    for seed in range(25):
        problem = small_allocation(kind, 1, seed)
        found = precedence.solve(problem, Limits(), buckets=count)
        verify(problem, found)
        assert found.x is not None and found.bound == -np.inf
        assert found.objective >= testing.brute_force(problem)[1]


def test_equal_weights_and_falling_gains_are_exact():
    """Then the knapsack never wants a step without the one before."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        gains = [np.sort(rng.random(4))[::-1] for _ in range(4)]
        losses = [np.concatenate([[0.0], -np.cumsum(part)]) for part in gains]
        problem = RateAllocation(losses, [np.arange(5.0)] * 4, 9.0)
        found = precedence.solve(problem, Limits(), buckets=9)
        optimum = testing.brute_force(problem)[1]
        assert found.objective == pytest.approx(optimum, rel=1e-12)


def test_it_is_exact_no_more_where_gains_rise():
    """Capacity 2: one step each is best before step (0, 2) is seen; it forgets."""
    problem = RateAllocation(
        [[0.0, -5.0], [0.0, -1.0, -10.0]], [[0.0, 1.0], [0.0, 1.0, 2.0]], 2.0
    )
    found = precedence.solve(problem, Limits(), buckets=2)
    assert problem.violation(found.x) == 0
    assert testing.brute_force(problem)[1] <= found.objective <= -6.0


def test_it_is_worse_than_the_optimum_on_networks_tables():
    problems = [netlike(6, 9, seed=seed, share=0.3) for seed in range(5)]
    worse = [
        precedence.solve(problem, Limits()).objective > several.objective
        for problem in problems
        if (several := several_budgets.solve(problem, Limits()))
    ]
    assert any(worse)
