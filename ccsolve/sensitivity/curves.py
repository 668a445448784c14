"""Curves of a loss over the rate at which a layer is compressed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import frozen, real_array, real_number
from ccsolve.problems.records import reduced

Array = NDArray[np.float64]

LARGEST = 1e100
"""Largest rate or loss accepted: their products stay finite."""


@dataclass(frozen=True)
class Exponential:
    """The curve scale·exp(rate·C).

    Examples
    --------
    >>> Exponential(scale=2.0, rate=0.0)([0.0, 0.5])
    array([2., 2.])
    """

    scale: float
    rate: float

    def __post_init__(self) -> None:
        """Check that both are finite."""
        for name in ("scale", "rate"):
            object.__setattr__(self, name, real_number(name, getattr(self, name)))

    def __call__(self, rates: Any) -> Array:
        """Give the loss at one rate or at many."""
        return self.scale * np.exp(self.rate * np.asarray(rates, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """The curve through points (rates, losses), continued beyond both ends.

    The first and the last piece go on as they are, so that a convex curve is convex
    everywhere; a single point gives a constant.

    Parameters
    ----------
    rates : (K,) array
        Strictly rising.
    losses : (K,) array

    Examples
    --------
    >>> PiecewiseLinear([0.0, 0.5], [1.0, 2.0])([0.25, 1.0])
    array([1.5, 3. ])
    """

    rates: Any
    losses: Any

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check the points once; InvalidProblem on the first misfit."""
        rates = real_array("rates", self.rates, (None,), LARGEST)
        if rates.size == 0:
            raise InvalidProblem("rates is empty; expected at least one point")
        if (np.diff(rates) <= 0).any():
            raise InvalidProblem("rates do not rise strictly; sort and merge them")
        object.__setattr__(self, "rates", rates)
        losses = real_array("losses", self.losses, rates.shape, LARGEST)
        object.__setattr__(self, "losses", losses)

    def __call__(self, rates: Any) -> Array:
        """Give the loss at one rate or at many."""
        wanted = np.asarray(rates, dtype=np.float64)
        if self.rates.size == 1:
            return np.full(wanted.shape, self.losses[0])
        pieces = np.searchsorted(self.rates, wanted) - 1
        pieces = np.clip(pieces, 0, self.rates.size - 2)
        begun = wanted - self.rates[pieces]
        slopes = np.diff(self.losses) / np.diff(self.rates)
        return self.losses[pieces] + slopes[pieces] * begun


def checked_points(rates: Any, losses: Any) -> tuple[Array, Array]:
    """Give the points of a measured curve, sorted by rate; at least one.

    Raises
    ------
    InvalidProblem
        Other than two arrays (P,) of finite numbers, P ≥ 1.
    """
    rates = real_array("rates", rates, (None,), LARGEST)
    losses = real_array("losses", losses, rates.shape, LARGEST)
    if rates.size == 0:
        raise InvalidProblem("rates is empty; expected at least one point")
    order = np.argsort(rates, kind="stable")
    return frozen(rates[order]), frozen(losses[order])
