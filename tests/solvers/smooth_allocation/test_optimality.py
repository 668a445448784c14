"""The dual bound: below the exact dual function at any price; stationarity."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from ccsolve.iterate import Limits
from ccsolve.problems.generate_smooth import FAMILIES, fitted
from ccsolve.problems.smooth_allocation import SmoothRateAllocation
from ccsolve.solvers.smooth_allocation import bisection
from ccsolve.solvers.smooth_allocation.optimality import (
    lower_bound,
    rates_at,
    stationarity,
)


def exact_dual(problem: SmoothRateAllocation, price: float) -> Decimal:
    """Give λR + Σ min (w·a·exp(bC) - λ·s·C) with 60 digits."""
    with localcontext() as context:
        context.prec = 60
        lam = Decimal(price)
        total = lam * Decimal(problem.remove_limit)
        for layer in range(problem.n):
            a, b, s, low, high = (
                Decimal(float(part[layer]))
                for part in (
                    problem.scale,
                    problem.rate,
                    problem.size,
                    problem.floor,
                    problem.cap,
                )
            )
            weighted = a * s if problem.weighted else a
            x = low if price == 0 else (lam * s / (weighted * b)).ln() / b
            x = min(max(x, low), high)
            total += weighted * (b * x).exp() - lam * s * x
        return total


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bound_is_the_dual_function_rounded_down(family: str):
    for seed, n in ((0, 1), (1, 2), (2, 9), (3, 40)):
        problem = FAMILIES[family](n, seed)
        best = float(bisection.solve(problem, Limits()).duals["remove"][0])
        for price in (0.0, 1e-30, best, 0.7 * best, 3 * best, 1e3 * best):
            exact = exact_dual(problem, price)
            bound = lower_bound(problem, price)
            size = abs(exact) + Decimal(price * (problem.attainable + problem.remove))
            assert Decimal(bound) <= exact
            assert Decimal(bound) >= exact - Decimal("1e-11") * size


def test_every_price_bounds_the_optimum():
    for seed in range(20):
        problem = fitted(8, seed, 0.7, weighted=bool(seed % 2))
        solution = bisection.solve(problem, Limits())
        best = float(solution.duals["remove"][0])
        bounds = [lower_bound(problem, best * k) for k in (0, 0.1, 0.9, 1, 1.1, 9)]
        assert max(bounds) == bounds[3]
        assert bounds[3] <= solution.objective <= bounds[3] * (1 + 1e-11)


def test_rates_at_a_price_minimise_the_priced_loss():
    problem = fitted(6, 1)
    grid = np.linspace(0, 0.95, 2001)
    for log_price in (-12.0, -3.0, 0.0, 4.0):
        x = rates_at(problem, log_price)
        credit = np.exp(log_price) * problem.size
        for layer in range(6):
            losses = problem.coefficient[layer] * np.exp(problem.rate[layer] * grid)
            at = problem.coefficient[layer] * np.exp(problem.rate[layer] * x[layer])
            best = (losses - credit[layer] * grid).min()
            assert at - credit[layer] * x[layer] <= best + 1e-12 * at
    assert (rates_at(problem, -np.inf) == problem.floor).all()


def test_stationarity_sees_what_is_wrong():
    problem = fitted(6, 1)
    solution = bisection.solve(problem, Limits())
    price = float(solution.duals["remove"][0])
    assert stationarity(problem, solution.x, price) <= 1e-13
    assert stationarity(problem, solution.x, 1.1 * price) > 0.05
    inside = int(np.argmax((solution.x > 0) & (solution.x < 0.95)))
    moved = solution.x.copy()
    moved[inside] += 0.01 / problem.rate[inside]
    assert stationarity(problem, moved, price) == pytest.approx(np.expm1(0.01))
    assert stationarity(problem, problem.floor, 0.0) == 0
    assert stationarity(problem, solution.x, 0.0) == np.inf
