import math

import numpy as np
import pytest

from ccsolve import testing
from ccsolve.errors import Infeasible
from ccsolve.iterate import Limits
from ccsolve.problems.generate_allocation import pisinger
from ccsolve.solution import verify
from ccsolve.solvers.allocation import milp


def test_it_agrees_with_brute_force(paired_allocation):
    for seed in range(60):
        try:
            problem = paired_allocation(seed)
        except Infeasible:
            continue
        _, optimum = testing.brute_force(problem)
        found = milp.solve(problem, Limits(gap=1e-6, resolution=problem.resolution))
        assert found.bound <= optimum
        verify(problem, found)
        if optimum == math.inf:
            assert found.extra["highs_bound"] == math.inf
        else:
            assert found.objective <= optimum + 1e-6 * abs(optimum)
            assert abs(found.extra["highs_bound"] - optimum) <= 1e-4


def test_its_duals_prove_the_relaxations_value():
    problem = pisinger("uncorrelated", 8, 6, 2, seed=0)
    found = milp.solve(problem, Limits(gap=1e-6, resolution=problem.resolution))
    prices = found.duals["budgets"]
    priced = problem.flat_losses + problem.flat_costs @ prices
    value = np.minimum.reduceat(priced, problem.offsets[:-1]).sum()
    value -= prices @ problem.limits
    assert (prices >= 0).all()
    assert value - 1e-9 * abs(value) <= found.bound <= value


def test_highs_is_not_believed(monkeypatch: pytest.MonkeyPatch):
    class Wrong:
        x = None
        status = 0
        mip_dual_bound = 1e6

    monkeypatch.setattr(milp, "_highs", lambda program, limits: Wrong)
    problem = pisinger("uncorrelated", 5, 4, 2, seed=0)
    found = milp.solve(problem, Limits())
    assert found.extra["highs_bound"] > 1e5
    assert -math.inf < found.bound <= testing.brute_force(problem)[1]


def test_no_time_is_no_answer():
    found = milp.solve(pisinger("strong", 8, 6, 2), Limits(time_limit=0.0))
    assert found.x is None and found.extra["highs_bound"] == -math.inf
