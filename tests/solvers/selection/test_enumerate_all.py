import itertools
import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import Unsupported
from ccsolve.problems.generate import FAMILIES
from ccsolve.solution import Claim, Stop
from ccsolve.solvers.selection.enumerate_all import CHUNK, _chunks


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
    assert found.extra["steps"] == 2**18 // 2**16 + 2


def test_before_the_end_the_bound_is_that_of_the_first_step():
    problem = testing.problem("unconstrained", 40, 0)
    found = solve(problem, "enumerate_all", time_limit=None, step_limit=3)
    assert found.stop is Stop.STEP_LIMIT and problem.violation(found.x) == 0
    assert -math.inf < found.bound == found.trace[0].bound < found.objective


def found_alone(z: np.ndarray, keep: int | None) -> bool:
    """Say whether the enumeration finds z where it is the only optimum.

    The chunks alone, for the method's first step may know the point before them.
    """
    problem = ChannelSelection(np.zeros((z.size, z.size)), 1.0 - 2.0 * z, keep=keep)
    best = np.zeros(z.size)
    *_, value = _chunks(problem, best)
    return value == -z.sum() and best.tolist() == z.tolist()


@pytest.mark.parametrize("keep", [None, 1, 2, 4])
def test_every_point_is_looked_at(keep: int | None):
    for bits in itertools.product((0.0, 1.0), repeat=5):
        if keep is None or sum(bits) == keep:
            assert found_alone(np.array(bits), keep)


def test_points_at_the_edges_of_chunks_are_looked_at():
    for number in (0, CHUNK - 1, CHUNK, 2 * CHUNK - 1):
        code = number ^ number >> 1
        assert found_alone(np.array([code >> i & 1 for i in range(17)]), None)


def test_the_last_subset_of_several_chunks_is_looked_at():
    last = np.isin(np.arange(20), [*range(9), 19])
    assert math.comb(20, 10) > CHUNK and found_alone(last.astype(float), 10)


def test_the_only_affordable_point_is_found():
    cost = np.array([5.0, 1.0, 4.0, 1.0, 3.0])
    problem = ChannelSelection(-np.eye(5), keep=2, cost=cost, budget=2.0)
    found = solve(problem, "enumerate_all")
    assert found.x.tolist() == [False, True, False, True, False]


def test_large_programs_are_refused():
    with pytest.raises(Unsupported, match="n <= 40"):
        solve(ChannelSelection(np.eye(41), keep=2), "enumerate_all")
