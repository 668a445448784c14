"""The oracle: it agrees with the exact method, and its bound is proven all the same."""

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems.generate_smooth import FAMILIES, bounded, fitted, wide
from ccsolve.solution import verify
from ccsolve.solvers.smooth_allocation import bisection, exponential_cone


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "wide"])
@pytest.mark.parametrize("n", [1, 6, 30])
def test_it_agrees_with_bisection(family: str, n: int):
    problem = FAMILIES[family](n, n)
    exact = bisection.solve(problem, Limits())
    oracle = exponential_cone.solve(problem, Limits(gap=0.0))
    verify(problem, oracle)
    assert oracle.objective == pytest.approx(exact.objective, rel=1e-6)
    assert oracle.objective >= exact.objective * (1 - 1e-10)
    assert oracle.bound <= exact.objective
    assert oracle.gap < 1e-5
    assert "optimal" in oracle.extra["solver_status"]
    assert oracle.extra["solver_value"] == pytest.approx(exact.objective, rel=1e-6)


def test_rates_and_prices_are_the_same():
    for weighted in (True, False):
        problem = fitted(15, 4, weighted=weighted)
        exact = bisection.solve(problem, Limits())
        oracle = exponential_cone.solve(problem, Limits(gap=0.0))
        np.testing.assert_allclose(oracle.x, exact.x, atol=1e-3)
        assert oracle.duals["remove"] == pytest.approx(exact.duals["remove"], rel=1e-2)


def test_data_that_the_solver_fails_on_cost_no_proof():
    for seed in range(6):
        problem = wide(12, seed)
        oracle = exponential_cone.solve(problem, Limits(gap=0.0))
        verify(problem, oracle)
        best = bisection.solve(problem, Limits()).objective
        assert oracle.bound <= best
        assert oracle.objective >= best * (1 - 1e-9)


def test_without_time_there_is_a_point_and_a_bound():
    problem = bounded(9)
    solution = exponential_cone.solve(problem, Limits(time_limit=0.0))
    verify(problem, solution)
    assert solution.bound > 0
    assert solution.extra["solver_status"] == "not begun"


def test_a_tolerance_is_heeded_and_checked():
    problem = fitted(20, 1)
    gaps = [
        exponential_cone.solve(problem, Limits(gap=0.0), tolerance=each).absolute_gap
        for each in (1e-2, 1e-9)
    ]
    assert gaps[1] < gaps[0]
    with pytest.raises(InvalidProblem, match=r"tolerance = 0; .* 1e-12"):
        exponential_cone.solve(problem, Limits(), tolerance=0)
