import numpy as np
import pytest

from ccsolve import testing
from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems import RateAllocation
from ccsolve.problems.generate_allocation import netlike, pisinger
from ccsolve.solution import Stop, verify
from ccsolve.solvers.allocation import buckets


@pytest.mark.parametrize("count", [1, 7, 100, 10_000])
@pytest.mark.parametrize("kind", ["real", "scaled", "whole", "degenerate"])
def test_the_point_is_within_its_guarantee(kind: str, count: int, small_allocation):
    for seed in range(25):
        problem = small_allocation(kind, 1, seed)
        found = buckets.solve(problem, Limits(gap=0.0), buckets=count)
        verify(problem, found)
        assert found.bound <= testing.brute_force(problem)[1] + problem.resolution
        least = float(problem.cheapest()[0])
        room = max(float(problem.budgets[0]) - least, 0.0)
        spare = room * problem.n / count * (1.0 + 1e-9)
        budget = max(least, float(problem.budgets[0]) - spare)
        tighter = RateAllocation(problem.losses, problem.costs, budget)
        best = testing.brute_force(tighter)[1]
        assert found.objective <= best + problem.resolution


def test_as_many_buckets_as_units_are_exact():
    problem = pisinger("uncorrelated", 6, 5, seed=1, largest=20)
    room = int(problem.budgets[0] - problem.cheapest()[0])
    found = buckets.solve(problem, Limits(gap=0.0), buckets=room)
    optimum = testing.brute_force(problem)[1]
    assert found.objective == optimum
    assert found.bound == pytest.approx(optimum, rel=1e-12)


def test_finer_buckets_close_the_gap():
    problem = netlike(20, 25, seed=0, share=0.3)
    gaps = [
        buckets.solve(problem, Limits(gap=0.0), buckets=count).gap
        for count in (100, 1_000, 10_000)
    ]
    assert gaps[0] > gaps[1] > gaps[2] > 0


def test_no_room_leaves_the_cheapest():
    problem = RateAllocation([[1.0, 2.0, 0.0]], [[0.0, 0.0, 5.0]], 0.0)
    found = buckets.solve(problem, Limits(gap=0.0))
    assert found.x.tolist() == [0] and found.gap <= 1e-12


def test_a_step_limit_stops_it():
    found = buckets.solve(netlike(20, 25), Limits(step_limit=3))
    assert found.stop is Stop.STEP_LIMIT and found.x is None


def test_bad_options_are_refused():
    for count in (0, 1.5, True, 10**8):
        with pytest.raises(InvalidProblem, match="buckets"):
            buckets.solve(netlike(3, 4), Limits(), buckets=count)  # pyright: ignore
    with pytest.raises(InvalidProblem, match="2"):
        buckets.solve(netlike(3, 4, 2), Limits())


def test_infeasible_budgets_never_get_here():
    with pytest.raises(Infeasible):
        RateAllocation([np.zeros(2)], [np.ones(2)], 0.5)
