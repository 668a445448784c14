"""Whole data: the values that an objective can take at all."""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ccsolve.problems import ChannelSelection

EXACT = 2.0**52
"""Sums of whole numbers below this are exact."""


class Lattice(NamedTuple):
    """The objective is origin + a multiple of step at binary points; 0: unknown."""

    origin: float
    step: float

    def raised(self, bound: float) -> float:
        """Give the least value of the lattice that is not below a proven bound.

        A value within 1e-9 steps of the bound is taken to be the bound.
        """
        if self.step == 0 or not math.isfinite(bound):
            return bound
        steps = (bound - self.origin) / self.step
        if abs(steps) > EXACT / 1e3:
            return bound
        whole = math.ceil(steps - 1e-9 * max(1.0, abs(steps)))
        return max(bound, _sum_floor(self.origin, self.step * whole))


def lattice_of(problem: ChannelSelection) -> Lattice:
    """Give the lattice of a program of whole data; O(n²), O(mn) factored.

    zᵀQz + qᵀz = Σ_i (Q_ii + q_i)z_i + Σ_{i<j} 2Q_ij z_i z_j: where these coefficients
    are whole, their greatest common divisor divides every value. A factor of whole
    numbers gives whole squares.
    """
    nothing = Lattice(problem.constant, 0.0)
    if problem.Q is None:
        assert problem.factor is not None and problem.diagonal is not None
        linear = problem.diagonal + problem.q
        whole = _whole(problem.factor) and _whole_sum(problem.diagonal, problem.q)
        size = float(np.abs(problem.factor).sum(axis=1).max(initial=0.0)) ** 2
        largest = size * problem.rank + float(np.abs(linear).sum())
        return Lattice(problem.constant, 1.0) if whole and largest < EXACT else nothing
    own = np.diagonal(problem.Q)
    linear = own + problem.q
    if not (_whole(problem.Q[0] * 2.0) and _whole(2.0 * problem.Q)):
        return nothing
    if not _whole_sum(own, problem.q):
        return nothing
    if 2.0 * float(np.abs(problem.Q).sum()) + float(np.abs(linear).sum()) >= EXACT:
        return nothing
    return Lattice(problem.constant, _common_divisor(problem.Q, linear))


def _whole(values: np.ndarray) -> bool:
    return bool((values == np.rint(values)).all())


def _whole_sum(a: np.ndarray, b: np.ndarray) -> bool:
    """Say whether a + b is whole, which a rounded sum can be where the sum is not."""
    total = a + b
    part = total - a
    # The rounding error of the sum, exactly (Knuth).
    error = (a - (total - part)) + (b - part)
    return _whole(total) and not error.any()


def _sum_floor(a: float, b: float) -> float:
    """Give a + b, rounded down where it is rounded."""
    total = a + b
    above = Fraction(total) > Fraction(a) + Fraction(b)
    return math.nextafter(total, -math.inf) if above else total


def _common_divisor(Q: np.ndarray, linear: np.ndarray) -> float:
    """Give the greatest common divisor, 0 where every coefficient is 0."""
    divisor = np.gcd.reduce(linear.astype(np.int64))
    for i in range(1, linear.size):
        if divisor == 1:
            break
        row = (2.0 * Q[i, :i]).astype(np.int64)
        divisor = np.gcd(divisor, np.gcd.reduce(row))
    return float(divisor)
