"""Curves fitted to measured losses: exponential, isotonic, convex envelope."""

from typing import Any

import numpy as np
import scipy.optimize

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_array, real_number
from ccsolve.sensitivity.curves import (
    Array,
    Exponential,
    PiecewiseLinear,
    checked_points,
)

RIDGE = 1e-10
"""Added to losses before their log is taken, in units of the largest; CC's."""


def exponential_fit(
    rates: Any,
    losses: Any,
    *,
    normalised: bool = True,
    least_rate: float = 1e-6,
    most_rate: float = 100.0,
) -> Exponential:
    """Fit loss ≈ a·exp(b·C) as Collaborative Compression does.

    Points of rate ≤ 0 are dropped, losses divided by the largest; then log(loss +
    1e-10) is fitted on C by least squares with weights √loss (the authors' code; Li et
    al., CVPR 2021). Small losses hardly count: it is a fit of the upper part.

    Parameters
    ----------
    rates, losses : (P,) arrays
        In any order; losses ≥ 0.
    normalised
        Whether a is in units of the layer's largest loss, as theirs is, which forgets
        how layers compare. Otherwise the same curve in the units of the losses.
    least_rate, most_rate
        b is within these, theirs is free. The allocation needs losses that rise: a
        layer of the least b goes to its cap. Losses that jump at the end alone would
        have a b so large that a vanishes.

    Raises
    ------
    InvalidProblem
        A negative loss, ``most_rate`` below ``least_rate``, or not two different
        positive rates with a loss above 0.
    """
    least_rate = real_number("least_rate", least_rate, 0.0)
    most_rate = real_number("most_rate", most_rate, least_rate)
    rates, losses = checked_points(rates, losses)
    if losses.min() < 0:
        raise InvalidProblem(
            f"losses has entries down to {losses.min():g}; expected >= 0 for an "
            f"exponential; take isotonic_fit or convex_envelope"
        )
    rates, losses = rates[rates > 0], losses[rates > 0]
    if np.unique(rates[losses > 0]).size < 2:
        raise InvalidProblem(
            f"{np.unique(rates[losses > 0]).size} different rates > 0 with a loss "
            f"above 0; expected at least 2 to fit an exponential"
        )
    top = float(losses.max())
    shares = losses / top
    logs, weights = np.log(shares + RIDGE), np.sqrt(shares)
    intercept, slope = _line(rates, logs, weights, (least_rate, most_rate))
    scale = float(np.exp(intercept))
    return Exponential(scale if normalised else top * scale, slope)


def _line(
    x: Array, y: Array, weights: Array, slopes: tuple[float, float]
) -> tuple[float, float]:
    """Give intercept and slope of the weighted least squares, the slope in a range."""
    share = weights / weights.sum()
    centre, level = float(share @ x), float(share @ y)
    spread = float(share @ (x - centre) ** 2)
    slope = float(share @ ((x - centre) * (y - level))) / spread
    slope = min(max(slope, slopes[0]), slopes[1])
    return level - slope * centre, slope


def isotonic_fit(rates: Any, losses: Any, weights: Any = None) -> PiecewiseLinear:
    """Give the nondecreasing curve nearest to the points, by least squares; O(P log P).

    Points of one rate count as their mean. Between the rates the curve is linear.

    Parameters
    ----------
    rates, losses : (P,) arrays
        In any order.
    weights : (P,) array, optional
        Positive; 1 by default.

    Raises
    ------
    InvalidProblem
        Points or weights are malformed.
    """
    given = np.asarray(rates)
    points, losses = checked_points(rates, losses)
    weights = _weights(weights, given)
    places, group = np.unique(points, return_inverse=True)
    total = np.bincount(group, weights)
    level = np.bincount(group, weights * losses) / total
    fitted = scipy.optimize.isotonic_regression(level, weights=total).x
    return PiecewiseLinear(places, fitted)


def _weights(weights: Any, rates: np.ndarray) -> Array:
    if weights is None:
        return np.ones(rates.shape)
    weights = real_array("weights", weights, rates.shape)
    if not (weights > 0).all():
        raise InvalidProblem(
            f"weights has entries down to {weights.min():g}; expected > 0"
        )
    return weights[np.argsort(rates, kind="stable")]


def convex_envelope(rates: Any, losses: Any) -> PiecewiseLinear:
    """Give the largest convex curve below the points: their lower hull; O(P log P).

    What a Lagrangian sees of a layer: at any price the best of the points is a vertex
    of it.

    Parameters
    ----------
    rates, losses : (P,) arrays
        In any order; of points of one rate the lowest counts.

    Raises
    ------
    InvalidProblem
        Points are malformed.
    """
    rates, losses = checked_points(rates, losses)
    places, first = np.unique(rates, return_index=True)
    lowest = np.minimum.reduceat(losses, first)
    corners: list[int] = []
    for point in range(places.size):
        while _ends_above(places, lowest, corners, point):
            corners.pop()
        corners.append(point)
    return PiecewiseLinear(places[corners], lowest[corners])


def _ends_above(x: Array, y: Array, corners: list[int], point: int) -> bool:
    """Say whether the last corner is on or above the line from the one before it."""
    if len(corners) < 2:
        return False
    left, middle = corners[-2:]
    rise = (y[point] - y[left]) * (x[middle] - x[left])
    return bool((y[middle] - y[left]) * (x[point] - x[left]) >= rise)
