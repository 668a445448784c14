"""The price of the budget by bisection over its breakpoints, then in closed form."""

import math
from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems.smooth_allocation import SmoothRateAllocation, raised
from ccsolve.solution import Solution
from ccsolve.solvers.smooth_allocation.optimality import (
    lower_bound,
    rates_at,
    stationarity,
)

Ends = tuple[np.ndarray, np.ndarray]
"""The logs of the price at which layers leave their floor and meet their cap."""


def solve(problem: SmoothRateAllocation, limits: Limits) -> Solution:
    """Solve the optimality conditions exactly, up to rounding; O(L log L), one step.

    At the price λ = exp(t) layer l goes to C_l(t) = (t - log(w·scale·rate/size))/rate,
    within floor and cap. What goes altogether, Σ size·C(t), is piecewise linear and
    nondecreasing in t, with breakpoints where a layer leaves its floor or meets its
    cap. The piece that reaches ``remove`` is found by bisection over the sorted
    breakpoints, and t on it in closed form: the price is the least that suffices, the
    fall of the optimum per unit of ``remove`` given up.

    Proven: the bound, the dual function at the price, less rounding. The price stands
    in ``duals["remove"]``, the residual of the conditions, relative to the price, in
    ``extra["kkt_residual"]``.

    The authors' code finds t by gradient descent (Li et al., CVPR 2021).
    """
    return run(_steps(problem), limits)


def _steps(problem: SmoothRateAllocation) -> Iterator[Step]:
    log_price = _log_price(problem)
    price = math.exp(log_price)
    x = _exact_at_bounds(problem, log_price, _breakpoints(problem))
    x = raised(problem, _completed(problem, x))
    yield Step(
        x,
        problem.objective(x),
        lower_bound(problem, price),
        duals={"remove": np.array([price])},
        extra={"kkt_residual": stationarity(problem, x, price)},
    )


def _log_price(problem: SmoothRateAllocation) -> float:
    """Give the least t at which enough goes; -inf where floors suffice."""
    # What caps reach is a sum as well: one rounding must not ask for the next knot.
    enough = min(problem.remove, problem.attainable) - problem.slack
    if enough <= float(problem.size @ problem.floor):
        return -math.inf
    ends = _breakpoints(problem)
    # A layer whose floor is its cap goes at any price.
    knots = np.sort(np.stack(ends)[:, problem.floor < problem.cap], axis=None)
    low, high = 0, knots.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _removed(problem, knots[middle], ends) < enough:
            low = middle
        else:
            high = middle
    return _on_piece(problem, float(knots[low]), float(knots[high]), ends)


def _on_piece(
    problem: SmoothRateAllocation, low: float, high: float, ends: Ends
) -> float:
    """Give the t between two neighbouring breakpoints at which the target is met."""
    enter, leave = ends
    moving = (enter <= low) & (leave >= high)
    speed = float((problem.size[moving] / problem.rate[moving]).sum())
    missing = min(problem.remove, problem.attainable) - _removed(problem, low, ends)
    return min(high, low + missing / speed) if speed > 0 else high


def _breakpoints(problem: SmoothRateAllocation) -> Ends:
    """Give the t at which layers leave their floor and meet their cap, (L,) each."""
    start = problem.log_price
    return start + problem.rate * problem.floor, start + problem.rate * problem.cap


def _removed(problem: SmoothRateAllocation, log_price: float, ends: Ends) -> float:
    return float(problem.size @ _exact_at_bounds(problem, log_price, ends))


def _exact_at_bounds(
    problem: SmoothRateAllocation, log_price: float, ends: Ends
) -> np.ndarray:
    """Give the rates at a price; those at floor and cap are so to the last bit."""
    enter, leave = ends
    x = rates_at(problem, log_price)
    x = np.where(log_price <= enter, problem.floor, x)
    return np.where(log_price >= leave, problem.cap, x)


def _completed(problem: SmoothRateAllocation, x: np.ndarray) -> np.ndarray:
    """Make up for the rounding of the price, which flat curves magnify.

    All marginal losses between floor and cap rise by one factor, so that they stay
    equal; to the middle of the slack, so that rounding does not undo it.
    """
    missing = problem.remove - 0.5 * problem.slack - float(problem.size @ x)
    moving = (x > problem.floor) & (x < problem.cap)
    if missing <= 0 or not moving.any():
        return x
    rate = problem.rate[moving]
    step = missing / float((problem.size[moving] / rate).sum())
    x[moving] = np.minimum(x[moving] + step / rate, problem.cap[moving])
    return x
