import itertools
import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, Stop, solve, testing
from ccsolve.problems.generate import FAMILIES, k_cluster
from ccsolve.solvers.selection import milp
from ccsolve.solvers.selection.milp import _row_ranges


@pytest.mark.parametrize("family", FAMILIES)
def test_it_agrees_with_brute_force(family: str):
    problem = testing.problem(family, 8, 4)
    _, optimum = testing.brute_force(problem)
    found = solve(problem, "milp", time_limit=None)
    assert found.bound <= optimum + 1e-15 * abs(optimum)
    assert found.objective <= optimum + 1e-6 * abs(optimum) + problem.resolution
    if found.stop is Stop.FINISHED and "highs_bound" in found.extra:
        room = 1e-4 * problem.n * problem.data_scale
        assert abs(found.extra["highs_bound"] - optimum) <= room


def test_highs_is_not_believed(monkeypatch: pytest.MonkeyPatch):
    class Wrong:
        x = None
        mip_dual_bound = 1e6

    monkeypatch.setattr(milp, "_highs", lambda program, limits: Wrong)
    problem = k_cluster(10, 0.5, 4)
    found = solve(problem, "milp", time_limit=None)
    assert found.extra["highs_bound"] > 1e5
    assert -math.inf < found.bound <= testing.brute_force(problem)[1]


@pytest.mark.parametrize("keep", [None, 1, 2, 4])
def test_row_ranges_hold_at_every_point(keep: int | None):
    rng = np.random.default_rng(0)
    for shift in (-2.0, 0.0, 2.0):
        A = rng.standard_normal((5, 5)) + shift
        Q = A + A.T
        low, width, high = _row_ranges(Q, keep)
        pairs = Q - np.diag(np.diagonal(Q))
        for bits in itertools.product((0.0, 1.0), repeat=5):
            z = np.array(bits)
            if keep is not None and z.sum() != keep:
                continue
            h, kept = pairs @ z, z == 1
            assert (h[kept] >= low[kept] - 1e-12).all()
            assert (h[kept] <= (low + width)[kept] + 1e-12).all()
            assert (h[~kept] <= high[~kept] + 1e-12).all()


def test_a_time_limit_gives_a_point_and_a_bound():
    problem = k_cluster(60, 0.5, 20)
    found = solve(problem, "milp", time_limit=0.5)
    assert problem.violation(found.x) == 0
    assert -np.inf < found.bound <= found.objective
    assert found.extra["highs_bound"] <= found.objective


def test_the_gap_is_handed_on():
    problem = testing.problem("indefinite", 14, 1)
    rough = solve(problem, "milp", gap=0.5, time_limit=None)
    missing = rough.objective - rough.extra["highs_bound"]
    assert missing <= 0.5 * abs(rough.objective)


def mixed_scales(rng: np.random.Generator) -> ChannelSelection:
    """Draw channels that differ in scale by up to 10¹², or hardly at all."""
    n = int(rng.integers(2, 7))
    A, scale = rng.standard_normal((n, n)), 10.0 ** rng.integers(-9, 4, n)
    Q = (A + A.T) * np.outer(scale, scale)
    if rng.random() < 0.3:
        Q = 1.0 + 1e-6 * (A + A.T)
    cost = rng.random(n)
    budget = 0.7 * cost.sum() + 0.3 * cost.max() * n
    return ChannelSelection(
        Q, keep=int(rng.integers(1, n)), cost=cost, budget=budget, constant=0.1
    )


def test_data_of_mixed_scales():
    rng = np.random.default_rng(0)
    for _ in range(400):
        problem = mixed_scales(rng)
        _, optimum = testing.brute_force(problem)
        found = solve(problem, "milp", time_limit=None)
        assert found.bound <= optimum + 1e-15 * abs(optimum)


def test_one_channel():
    for q in (-1.0, 1.0):
        found = solve(ChannelSelection([[0.25]], [q]), "milp")
        assert found.objective == min(0.0, 0.25 + q)
