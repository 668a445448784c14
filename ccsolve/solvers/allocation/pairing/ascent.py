"""The best prices of up to four budgets: a concave function maximised by its cuts."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from ccsolve.solvers.allocation.pairing.pricing import Priced
from ccsolve.solvers.allocation.pairing.program import PairProgram

Evaluate = Callable[[np.ndarray], Priced]

_STALL = 1e-10
"""The ascent ends when its model promises less than this, relative to the losses."""

_WIDEST = 2.0**80
"""Prices in units of `unit_prices` are not raised above this."""


def maximise(
    program: PairProgram,
    evaluate: Evaluate,
    start: np.ndarray,
    evaluations: int,
) -> Generator[Priced, None, Priced]:
    """Give every evaluation on the way to the best prices; return the best.

    The dual D(λ) = min_x loss + λᵀ(cost - limits) is concave; a point x(λ) gives the
    cut D(λ') ≤ loss(x) + λ'ᵀ(cost(x) - limits). Kelley's method goes to the maximum of
    the least of the cuts, every other time only half the way from the best prices so
    far; with one budget that is the secant method on breakpoints, and finite. Prices
    are boxed while no cut bounds them.
    """
    unit = unit_prices(program)
    search = _Search(program, unit, [], 4.0)
    prices, best = start, None
    for turn in range(evaluations):
        found = evaluate(prices)
        yield found
        search.cuts.append((found.loss, (found.spent - program.limits) * unit))
        if best is None or found.bound > best.bound:
            best = found
        peak, promise = search.peak()
        if promise - best.bound <= search.least_gain(best.bound):
            return best
        halfway = len(unit) > 1 and turn % 2 == 1
        prices = unit * peak
        if halfway:
            prices = 0.5 * (prices + best.prices)
    assert best is not None
    return best


def unit_prices(program: PairProgram) -> np.ndarray:
    """Give prices (B,) at which a whole budget is worth what the losses differ by."""
    loss, cost = program.largest
    budget = np.where(program.limits > 0, program.limits, np.maximum(cost, 1e-300))
    return max(loss, 1e-300) / budget


@dataclass
class _Search:
    """The cuts so far, (value at 0, slope) in units of prices, and the box."""

    program: PairProgram
    unit: np.ndarray
    cuts: list[tuple[float, np.ndarray]]
    width: float

    def peak(self) -> tuple[np.ndarray, float]:
        """Give where the cuts' minimum is highest, and how high.

        The box is widened as long as the peak touches it: where no cut slopes down,
        higher prices may still pay.
        """
        at, promise = self._peak_in_box()
        if at.max() >= self.width * (1 - 1e-9) and self.width < _WIDEST:
            self.width *= 8.0
        return at, promise

    def _peak_in_box(self) -> tuple[np.ndarray, float]:
        values = np.array([value for value, _ in self.cuts])
        slopes = np.array([slope for _, slope in self.cuts])
        if slopes.shape[1] == 1:
            return _peak_of_lines(values, slopes[:, 0], self.width)
        return _peak_of_planes(values, slopes, self.width)

    def least_gain(self, value: float) -> float:
        return _STALL * (abs(value) + 1e-3 * self.program.largest[0])


def _peak_of_lines(
    values: np.ndarray, slopes: np.ndarray, width: float
) -> tuple[np.ndarray, float]:
    """Walk along the least of the lines from 0 to where it stops rising."""
    at, now = 0.0, int(np.lexsort((slopes, values))[0])
    while slopes[now] > 0:
        with np.errstate(divide="ignore", invalid="ignore"):
            meets = (values - values[now]) / (slopes[now] - slopes)
        meets[slopes >= slopes[now]] = math.inf
        after = float(meets.min())
        if after >= width:
            at = width
            break
        first = np.flatnonzero(meets <= after)
        at, now = max(at, after), int(first[np.argmin(slopes[first])])
    return np.array([at]), float((values + at * slopes).min())


def _peak_of_planes(
    values: np.ndarray, slopes: np.ndarray, width: float
) -> tuple[np.ndarray, float]:
    """Solve max t, t ≤ values + slopes·y, 0 ≤ y ≤ width, scaled to a value of 1."""
    scale = max(float(np.abs(values).max()), float(np.abs(slopes).max()), 1e-300)
    budgets = slopes.shape[1]
    result = scipy.optimize.linprog(
        np.concatenate([[-1.0], np.zeros(budgets)]),
        A_ub=np.hstack([np.ones((len(values), 1)), -slopes / scale]),
        b_ub=values / scale,
        bounds=[(None, None), *[(0.0, width)] * budgets],
        method="highs-ds",
    )
    if result.x is None:
        return np.zeros(budgets), -math.inf
    at = np.maximum(result.x[1:], 0.0)
    return at, float((values + slopes @ at).min())
