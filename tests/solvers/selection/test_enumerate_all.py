import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import Unsupported
from ccsolve.problems.generate import FAMILIES
from ccsolve.solution import Claim, Stop


@pytest.mark.parametrize("family", FAMILIES)
def test_it_proves_what_brute_force_finds(family: str):
    for n, seed in ((4, 1), (7, 2), (12, 3)):
        problem = testing.problem(family, n, seed)
        found = solve(problem, "enumerate_all", time_limit=None)
        _, optimum = testing.brute_force(problem)
        assert abs(found.objective - optimum) <= problem.resolution
        assert found.bound <= optimum + 1e-15 * abs(optimum)
        assert found.gap == 0 and found.claim() is Claim.OPTIMAL


def test_more_points_than_a_chunk():
    problem = testing.problem("unconstrained", 18, 0)
    found = solve(problem, "enumerate_all", time_limit=None)
    assert found.objective == pytest.approx(testing.brute_force(problem)[1], rel=1e-12)
    assert found.extra["steps"] == 2**18 // 2**16 + 1


def test_before_the_end_there_is_no_bound():
    problem = testing.problem("unconstrained", 40, 0)
    found = solve(problem, "enumerate_all", time_limit=None, step_limit=3)
    assert found.stop is Stop.STEP_LIMIT
    assert found.bound == -math.inf and problem.violation(found.x) == 0


def test_the_only_affordable_point_is_found():
    cost = np.array([5.0, 1.0, 4.0, 1.0, 3.0])
    problem = ChannelSelection(-np.eye(5), keep=2, cost=cost, budget=2.0)
    found = solve(problem, "enumerate_all")
    assert found.x.tolist() == [False, True, False, True, False]


def test_large_programs_are_refused():
    with pytest.raises(Unsupported, match="n <= 40"):
        solve(ChannelSelection(np.eye(41), keep=2), "enumerate_all")
