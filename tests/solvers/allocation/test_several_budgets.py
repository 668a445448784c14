"""The search under several budgets against brute force, and what it proves."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from ccsolve import testing
from ccsolve.errors import Infeasible
from ccsolve.iterate import Limits
from ccsolve.problems import RateAllocation
from ccsolve.problems.generate_allocation import netlike, pisinger
from ccsolve.solution import Solution, Stop, verify
from ccsolve.solvers.allocation import several_budgets
from ccsolve.solvers.allocation.cutting import corridors

KINDS = ("real", "scaled", "spread", "whole", "correlated", "degenerate")


def solved(problem: RateAllocation, gap: float = 0.0, **limits: Any) -> Solution:
    return several_budgets.solve(
        problem, Limits(gap=gap, resolution=problem.resolution, **limits)
    )


def assert_agrees_with_brute_force(problem: RateAllocation, gap: float) -> None:
    _, optimum = testing.brute_force(problem)
    try:
        found = solved(problem, gap)
    except Infeasible:
        assert optimum == math.inf
        return
    verify(problem, found)
    assert found.gap <= gap
    assert found.bound <= optimum + 1e-15 * abs(optimum)


@pytest.mark.parametrize("budgets", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_it_agrees_with_brute_force(kind: str, budgets: int, small_allocation):
    solved = 0
    for seed in range(40):
        try:
            problem = small_allocation(kind, budgets, seed)
        except Infeasible:
            continue
        assert_agrees_with_brute_force(problem, [0.0, 1e-6, 1e-2][seed % 3])
        solved += 1
    assert solved > 5


@pytest.mark.parametrize("listed", [0, 1, 5])
def test_branching_alone_agrees_with_brute_force(
    listed: int, small_allocation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(corridors, "_LISTED", listed)
    monkeypatch.setattr(several_budgets, "first_points", lambda program, dual: ())
    solved = 0
    for kind in KINDS:
        for seed in range(40, 60):
            try:
                problem = small_allocation(kind, 1 + seed % 4, seed)
            except Infeasible:
                continue
            assert_agrees_with_brute_force(problem, 0.0)
            solved += 1
    assert solved > 5 * len(KINDS)


def test_prices_are_those_of_the_bound():
    """g(λ) computed from the definition: no more than the bound, hardly less."""
    problem = netlike(20, 30, 3, seed=1, share=0.4)
    prices = solved(problem, gap=1.0).duals["budgets"]
    priced = problem.flat_losses + problem.flat_costs @ prices
    value = np.minimum.reduceat(priced, problem.offsets[:-1]).sum()
    dual = value - prices @ problem.limits
    found = solved(problem)
    assert (prices >= 0).all() and prices.any()
    assert dual <= found.bound + 1e-12 * abs(dual)
    for step in np.eye(3) * 1e-3 * np.maximum(prices, 1e-6 * prices.max()):
        moved = problem.flat_losses + problem.flat_costs @ (prices + step)
        other = np.minimum.reduceat(moved, problem.offsets[:-1]).sum()
        assert other - (prices + step) @ problem.limits <= dual + 1e-7 * abs(dual)


@pytest.mark.parametrize("kind", ["uncorrelated", "strong"])
def test_pisingers_programs_reach_the_gap(kind):
    problem = pisinger(kind, 20, 20, 3, seed=2)
    found = solved(problem, gap=1e-3)
    verify(problem, found)
    assert found.gap <= 1e-3
    assert found.bound == math.floor(found.bound)


def test_budgets_that_prices_prove_apart():
    """Cheap in one is dear in the other: half and half is the least of both."""
    costs = [np.array([[1.0, 3.0], [3.0, 1.0], [2.5, 2.5]])] * 4
    with pytest.raises(Infeasible, match=r"budgets\[1\] and budgets\[2\] cannot"):
        solved(
            RateAllocation(
                [np.zeros(3)] * 4,
                [np.column_stack([table[:, 0], table]) for table in costs],
                [12.0, 7.0, 8.5],
            )
        )


def test_the_certificate_names_what_is_attainable():
    costs = [np.array([[1.0, 3.0], [3.0, 1.0]])] * 4
    problem = RateAllocation([np.zeros(2)] * 4, costs, [7.0, 7.0])
    with pytest.raises(Infeasible, match=r">= 8, and they allow 7"):
        solved(problem)


def test_budgets_that_only_a_search_proves_apart():
    """A mixture of both options keeps both budgets; no option does."""
    costs = [np.array([[0.0, 2.0], [2.0, 0.0]])] * 3
    problem = RateAllocation([np.zeros(2)] * 3, costs, [3.0, 3.0])
    with pytest.raises(Infeasible, match="6 options were searched"):
        solved(problem)


def test_a_layer_without_options():
    costs = [np.array([[0.0, 2.0], [2.0, 0.0]]), np.zeros((1, 2))]
    problem = RateAllocation([np.zeros(2), np.zeros(1)], costs, [1.0, 1.0])
    with pytest.raises(Infeasible, match=r"layer 0 breaks budgets\[0\] = 1 or"):
        solved(problem)


def test_budgets_met_exactly():
    problem = RateAllocation(
        [np.array([1.0, 0.0])] * 30,
        [np.array([[0.0, 0.1], [0.1, 0.0]])] * 30,
        [1.5] * 2,
    )
    found = solved(problem)
    assert found.objective == 15.0 and found.bound == 15.0


def test_zero_budgets_and_zero_costs():
    problem = RateAllocation([[3.0, 1.0]], [[[0.0, 0.0], [1.0, 0.0]]], [0.0, 0.0])
    assert solved(problem).objective == 3.0
    problem = RateAllocation([[3.0, 1.0]], [np.zeros((2, 2))], [0.0, 0.0])
    assert solved(problem).objective == 1.0


def test_limits_stop_it_with_what_it_has():
    problem = pisinger("weak", 40, 40, 3, seed=0)
    for limit in ({"step_limit": 1}, {"step_limit": 5}, {"time_limit": 0.1}):
        found = solved(problem, gap=0.0, **limit)
        assert found.stop in (Stop.STEP_LIMIT, Stop.TIME_LIMIT)
        assert found.bound <= found.objective
    assert found.x is not None and found.bound > -math.inf


def test_bounds_rise_and_points_fall():
    problem = netlike(30, 49, 3, seed=2, share=0.6)
    trace = solved(problem, gap=1e-9).trace
    for before, after in itertools.pairwise(trace):
        assert before.bound <= after.bound and before.objective >= after.objective


def test_the_same_answer_again():
    problem = netlike(30, 49, 4, seed=3, share=0.3)
    first, second = solved(problem, gap=1e-6), solved(problem, gap=1e-6)
    assert (first.x == second.x).all() and first.bound == second.bound


@pytest.mark.parametrize("share", 10.0 ** -np.arange(6.0, 13.0))
def test_budgets_missed_by_rounding_end(share: float, just_missed):
    for seed in range(4):
        problem = just_missed(seed, share)
        try:
            found = solved(problem, step_limit=200)
        except Infeasible:
            continue
        verify(problem, found)
        assert found.stop is not Stop.STEP_LIMIT


def test_no_price_is_minus_zero():
    for seed in range(20):
        problem = netlike(6, 5, 3, seed=seed, share=0.9)
        assert not np.signbit(solved(problem).duals["budgets"]).any()
