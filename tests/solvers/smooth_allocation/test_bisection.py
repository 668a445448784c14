"""The exact method: conditions of optimality, grids, prices, limits."""

import itertools
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from ccsolve.iterate import Limits
from ccsolve.problems.generate_smooth import FAMILIES, fitted
from ccsolve.problems.smooth_allocation import SmoothRateAllocation
from ccsolve.solution import Claim, Solution, Stop, verify
from ccsolve.solvers.smooth_allocation.bisection import solve

SIZES = [1, 2, 3, 8, 53, 300]


def solved(problem: SmoothRateAllocation) -> Solution:
    return solve(problem, Limits(resolution=problem.resolution))


def changed(problem: SmoothRateAllocation, **values: Any) -> SmoothRateAllocation:
    data = {item.name: getattr(problem, item.name) for item in fields(problem)}
    return SmoothRateAllocation(**{**data, **values})


def price_of(problem: SmoothRateAllocation) -> float:
    return float(solved(problem).duals["remove"][0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", SIZES)
def test_conditions_of_optimality(family: str, n: int):
    for seed in range(10):
        problem = FAMILIES[family](n, seed)
        solution = solved(problem)
        verify(problem, solution)
        x, price = solution.x, float(solution.duals["remove"][0])
        assert x.dtype == float
        assert problem.violation(x) == 0
        assert solution.claim(1e-6) is Claim.OPTIMAL
        assert solution.bound <= solution.objective
        assert solution.stop in (Stop.GAP, Stop.FINISHED)
        weight = problem.size if problem.weighted else 1.0
        rise = weight * problem.scale * problem.rate * np.exp(problem.rate * x)
        marginal = rise / problem.size
        low, high = x == problem.floor, x == problem.cap
        assert np.allclose(marginal[~low & ~high], price, rtol=1e-12, atol=0)
        assert (marginal[low & ~high] >= price * (1 - 1e-12)).all()
        assert (marginal[high & ~low] <= price * (1 + 1e-12)).all()
        residual = solution.extra["kkt_residual"]
        assert 0 <= residual <= 1e-12
        if price > 0:
            missing = abs(float(problem.size @ x) - problem.remove)
            assert missing <= 1e-12 * problem.n * float(problem.size.sum())


@pytest.mark.parametrize("weighted", [True, False])
def test_nothing_on_a_grid_is_better(weighted: bool):
    for seed, n in itertools.product(range(5), (2, 3)):
        problem = fitted(n, seed, share=0.4, weighted=weighted)
        solution = solved(problem)
        grid = np.linspace(0, 0.95, 96 if n == 3 else 400)
        points = np.array(list(itertools.product(grid, repeat=n - 1)))
        # The last layer takes what is left: the grid then touches the constraint.
        rest = (problem.remove - points @ problem.size[:-1]) / problem.size[-1]
        inside = rest <= problem.cap[-1]
        points = np.column_stack([points, np.maximum(rest, 0.0)])[inside]
        losses = problem.coefficient * np.exp(problem.rate * points)
        best = losses.sum(axis=1).min()
        assert best >= solution.bound
        assert best >= solution.objective * (1 - 1e-12)
        assert best <= solution.objective * 1.05


def test_optimum_and_price_rise_with_what_must_go():
    sizes = fitted(20, 3).size
    for weighted in (True, False):
        problem = fitted(20, 3, weighted=weighted)
        asked = np.linspace(0, 0.95, 40) * sizes.sum()
        solutions = [solved(changed(problem, remove=each)) for each in asked]
        objectives = np.array([each.objective for each in solutions])
        prices = np.array([float(each.duals["remove"][0]) for each in solutions])
        rates = np.array([each.x for each in solutions])
        assert (np.diff(objectives) > 0).all()
        assert (np.diff(prices) > 0).all()
        assert (np.diff(rates, axis=0) >= -1e-12).all()
        slopes = np.diff(objectives) / np.diff(asked)
        assert (slopes >= prices[:-1] * (1 - 1e-9)).all()
        assert (slopes <= prices[1:] * (1 + 1e-9)).all()


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_the_price_is_the_fall_per_unit_given_up(share: float):
    for weighted in (True, False):
        problem = fitted(12, 1, share, weighted=weighted)
        step = 1e-5 * problem.remove
        less = solved(changed(problem, remove=problem.remove - step)).objective
        fall = (solved(problem).objective - less) / step
        assert fall == pytest.approx(price_of(problem), rel=1e-3)


def test_the_price_at_a_kink_is_that_of_giving_up():
    """One layer at its cap, one not begun: between their prices all would do."""
    problem = SmoothRateAllocation(
        [1e-6, 1.0], [2.0, 2.0], [10.0, 10.0], 9.5, weighted=False
    )
    solution = solved(problem)
    assert solution.x.tolist() == [0.95, 0.0]
    assert price_of(problem) == pytest.approx(2e-6 * np.exp(1.9) / 10, rel=1e-9)


def test_floors_that_suffice_cost_nothing_more():
    problem = fitted(9, 0, floor=0.3, share=0.3)
    solution = solved(problem)
    assert (solution.x == 0.3).all()
    assert solution.duals["remove"][0] == 0
    assert solution.extra["kkt_residual"] == 0


def test_all_that_there_is():
    problem = fitted(9, 0, share=0.95)
    solution = solved(problem)
    np.testing.assert_allclose(solution.x, 0.95, rtol=1e-12)
    steepest = (problem.scale * problem.rate * np.exp(0.95 * problem.rate)).max()
    assert solution.duals["remove"][0] == pytest.approx(steepest)


def test_one_layer_and_equal_layers():
    lone = SmoothRateAllocation([2.0], [3.0], [4.0], 1.0)
    assert solved(lone).x == pytest.approx([0.25])
    assert price_of(lone) == pytest.approx(6.0 * np.exp(0.75))
    np.testing.assert_allclose(solved(FAMILIES["alike"](7, 0)).x, 0.4, rtol=1e-12)


def test_weighted_has_one_marginal_loss_and_no_size_in_it():
    problem = fitted(30, 5)
    x = solved(problem).x
    inside = (x > 0) & (x < 0.95)
    marginal = problem.scale * problem.rate * np.exp(problem.rate * x)
    assert inside.sum() > 10
    np.testing.assert_allclose(marginal[inside], price_of(problem), rtol=1e-12)


def test_units_change_nothing_but_units():
    """Powers of two, so that no rounding differs."""
    problem = fitted(25, 2)
    solution = solved(problem)
    units = changed(problem, size=problem.size * 1024, remove=problem.remove * 1024)
    np.testing.assert_array_equal(solved(units).x, solution.x)
    losses = solved(changed(problem, scale=problem.scale * 4.0))
    np.testing.assert_allclose(losses.x, solution.x, atol=1e-13)
    assert losses.duals["remove"] == pytest.approx(4 * solution.duals["remove"])


def test_a_limit_of_no_time_still_brings_the_answer():
    problem = fitted(5)
    solution = solve(problem, Limits(time_limit=0.0))
    assert problem.violation(solution.x) == 0
    assert solution.extra["steps"] == 1


def held_at_caps(seed: int) -> SmoothRateAllocation:
    """Give a program that asks for all there is, some layers fixed, one free."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    cap = rng.uniform(0.3, 0.95, n)
    floor = np.where(rng.random(n) < 0.4, cap, 0.0)
    floor[rng.integers(n)] = 0.0
    size = 10 ** rng.uniform(3, 7, n)
    scale, rate = rng.uniform(0.01, 1, n), rng.uniform(1, 10, n)
    return SmoothRateAllocation(
        scale, rate, size, float(size @ cap), floor, cap, bool(seed % 2)
    )


def test_fixed_layers_do_not_set_the_price_of_all_there_is():
    """The price is that of the dearest free layer: what giving up a bit saves."""
    for seed in range(200):
        problem = held_at_caps(seed)
        everything = changed(problem, remove=problem.attainable)
        solution, price = solved(everything), price_of(everything)
        free = problem.floor < problem.cap
        marginal = (problem.log_price + problem.rate * problem.cap)[free]
        assert price == pytest.approx(np.exp(marginal.max()), rel=1e-9)
        assert solution.x == pytest.approx(problem.cap, rel=1e-9)
        assert solution.bound >= solution.objective * (1 - 1e-9)
        dearest = np.flatnonzero(free)[marginal.argmax()]
        step = 1e-3 * problem.size[dearest] * problem.cap[dearest]
        given_up = changed(problem, remove=problem.attainable - step)
        saved = problem.objective(problem.cap) - solved(given_up).objective
        rounding = 1e-12 * problem.objective(problem.cap)
        assert price_of(given_up) * step - rounding <= saved <= price * step + rounding


def test_flat_curves_at_their_caps_do_not_set_the_price():
    """Rounding of a rate, t over a slope of 1e-6, is no reason for a dearer layer."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        cap = rng.uniform(0.3, 0.95, 4)
        scale, rate = rng.uniform(0.01, 1, 4), np.array([1e-6, 1e-5, 1e-4, 5.0])
        size = 10 ** rng.uniform(3, 7, 4)
        scale[3] = 1e6
        begun = float(size[:3] @ cap[:3])
        problem = SmoothRateAllocation(scale, rate, size, begun, 0.0, cap)
        marginal = np.exp(problem.log_price + rate * cap)[:3]
        assert price_of(problem) == pytest.approx(marginal.max(), rel=1e-9)
        assert solved(problem).gap <= 1e-6


def test_floors_that_suffice_up_to_rounding_are_free():
    problem = fitted(9, 0, floor=0.3, share=0.3)
    nearly = changed(problem, remove=float(problem.size @ problem.floor) * (1 + 3e-16))
    assert price_of(nearly) == 0
