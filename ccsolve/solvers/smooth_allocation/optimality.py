"""What proves a smooth allocation: the dual function, and the stationarity of rates."""

import math

import numpy as np

from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.problems.smooth_allocation import SmoothRateAllocation


def rates_at(problem: SmoothRateAllocation, log_price: float) -> np.ndarray:
    """Give the rates that minimise the loss less price times what goes, (L,).

    C_l = (log λ - log(w·scale·rate/size))/rate within floor and cap: the marginal loss
    per unit of size is λ. -inf gives the floors.
    """
    rates = (log_price - problem.log_price) / problem.rate
    return np.clip(rates, problem.floor, problem.cap)


def lower_bound(problem: SmoothRateAllocation, price: float) -> float:
    """Give a proven lower bound of the optimum from any price λ ≥ 0; O(L).

    The dual function λ·remove + Σ min over C_l of w·scale·exp(rate·C_l) - λ·size·C_l,
    whose terms are convex in C_l: each is bounded by its tangent near its minimiser,
    and that by the lower of its values at floor and cap. What rounding can change is
    subtracted, so is what it can hide in the sum of a feasible point.
    """
    log_price = math.log(price) if price > 0 else -math.inf
    x = rates_at(problem, log_price)
    reach = problem.cap - problem.floor
    exponent = problem.rate * x
    loss = problem.coefficient * np.exp(exponent)
    rise, credit = problem.rate * loss, price * problem.size
    slope = rise - credit
    dip = np.minimum(slope * (problem.cap - x), slope * (problem.floor - x))
    spare = problem.remove_limit - float(problem.size @ x)
    value = price * spare + float((loss + dip).sum())
    # A product by exp(y) is off by y·u from its argument, and by a few u more.
    off = (exponent + 8.0) * EPS
    moved = float((off * (loss + rise * reach)).sum() + 4 * EPS * (credit @ reach))
    summed = gamma(problem.n + 4) * float((loss + np.abs(dip)).sum())
    limit = abs(problem.remove_limit) + problem.attainable
    summed += price * (gamma(problem.n + 4) * limit + problem.slack)
    return math.nextafter(value - 2.0 * (moved + summed), -math.inf)


def stationarity(problem: SmoothRateAllocation, x: np.ndarray, price: float) -> float:
    """Give how far rates are from the conditions of optimality, relative to the price.

    With g_l the marginal loss per unit of size: the largest of |g_l - λ|/λ between
    floor and cap, (λ - g_l)/λ at floors and (g_l - λ)/λ at caps. At price 0 the floors
    are the one optimum: 0 there, inf elsewhere.
    """
    if price == 0:
        return 0.0 if (x == problem.floor).all() else math.inf
    marginal = np.exp(problem.log_price + problem.rate * x)
    excess = marginal / price - 1.0
    low, high = x <= problem.floor, x >= problem.cap
    wrong = np.where(low, -excess, np.where(high, excess, np.abs(excess)))
    return float(np.max(wrong[~(low & high)], initial=0.0))
