"""Certificates against exact arithmetic."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from ccsolve import testing
from ccsolve.errors import Infeasible
from ccsolve.kernels.knapsack_pricing import Priced
from ccsolve.problems import RateAllocation
from ccsolve.solvers.allocation.cutting.impossible import certificate
from ccsolve.solvers.allocation.cutting.program import Program, prepared


def drawn(seed: int) -> Program | None:
    """Draw budgets that often fail together; None where the checks see that."""
    rng = np.random.default_rng(seed)
    costs = [rng.random((3, 3)) for _ in range(5)]
    least = np.sum([table.min(axis=0) for table in costs], axis=0)
    try:
        return prepared(RateAllocation([np.zeros(3)] * 5, costs, 1.3 * least))
    except Infeasible:
        return None


def margin(table: Priced, members: list[int], prices: np.ndarray) -> Fraction:
    """Give Σ_l min_j λᵀcost_lj - λᵀlimits, exactly."""

    def paid(column: np.ndarray) -> Fraction:
        terms = zip(prices.tolist(), column.tolist(), strict=True)
        return sum((Fraction(a) * Fraction(b) for a, b in terms), Fraction(0))

    costs = table.costs[members].T
    layers = itertools.pairwise(table.offsets)
    least = sum(
        (min(paid(costs[j]) for j in range(first, last)) for first, last in layers),
        Fraction(0),
    )
    return least - paid(table.limits[members])


def test_certificates_hold_exactly_and_only_where_no_point_is():
    found = 0
    for seed in range(60):
        program = drawn(seed)
        if program is None:
            continue
        for members in ([0, 1], [0, 2], [1, 2], [0, 1, 2]):
            prices = certificate(program.table, members)
            if prices is not None:
                found += 1
                assert (prices >= 0).all()
                assert margin(program.table, members, prices) > 0
                assert testing.brute_force(program.problem)[1] == np.inf
    assert found > 10


def test_points_go_to_the_table_and_back():
    problem = RateAllocation(
        [[0.0, 1.0, 2.0]] * 3, [[[9.0, 9.0], [2.0, 1.0], [1.0, 2.0]]] * 3, [5.0, 5.0]
    )
    program = prepared(problem)
    assert len(program.options) == 6
    chosen = np.array([4, 1, 3])
    assert program.point(chosen).tolist() == [2, 2, 1]
    assert program.grain == program.unit
    assert program.bound(0.3 * program.unit) == 1.0


def test_bounds_of_real_losses_are_rounded_down():
    program = prepared(RateAllocation([[0.3, 0.7]], [[1.0, 2.0]], 2.0))
    assert program.grain == 0.0
    assert program.bound(0.5) < 0.5 / program.unit
    assert program.bound(0.5) == pytest.approx(0.5 / program.unit)
