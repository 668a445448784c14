"""Descent over unit rows with a given sum: a preconditioned Riemannian L-BFGS."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.unit_rows import (
    Multipliers,
    multipliers,
    onto_manifold,
    tangent_part,
)

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Maps U (n, r) to the value and its gradient in U, (n, r)."""

MEMORY = 6
"""Pairs of steps and gradient changes; twice as many brought nothing."""

TRIALS = 12
"""Lengths tried along a direction; more is rounding."""

CAUTION = 0.1
"""Root mean square that rows move at first, when no curvature is known."""

SPREAD = 1e-3
"""Least part of the largest curvature of a row by which rows are scaled."""


class Iterate(NamedTuple):
    """A point U, the value there, its multipliers and its tangent gradient."""

    U: np.ndarray
    value: float
    multipliers: Multipliers
    gradient: np.ndarray

    @property
    def steepness(self) -> float:
        """The norm of the tangent gradient."""
        return float(np.linalg.norm(self.gradient))


class _Pair(NamedTuple):
    """A step, the gradient's change along it, and one over their product."""

    step: np.ndarray
    change: np.ndarray
    inverse: float


def descend(
    objective: Objective, U: np.ndarray, total: float | None, diagonal: np.ndarray
) -> Iterator[Iterate]:
    """Give ever lower iterates from U, until rounding stops the descent.

    L-BFGS on the manifold of unit rows with sum ``total``·e₁ (Boumal 2023, chapter 10,
    for the geometry; Nocedal 1980), pairs carried along by projection. The first guess
    of the inverse Hessian divides row i by ½C_ii - λ_i, the curvature that the row sees
    alone, with C_ii in ``diagonal`` (n,): channels of unequal scale converge as equal
    ones do. One evaluation per step as a rule, and O(nr²) beside it.
    """
    iterate = _evaluated(objective, U, total)
    pairs: deque[_Pair] = deque(maxlen=MEMORY)
    yield iterate
    while iterate.steepness > 0:
        reach = _reach(iterate, diagonal)
        direction = _direction(iterate, pairs, reach, total)
        lower = _searched(objective, iterate, direction, total)
        if lower is None and not pairs:
            return
        if lower is None:
            pairs.clear()
            continue
        moved, length = lower
        pair = _pair(iterate, moved, length * direction, total)
        if pair is not None:
            pairs.append(pair)
        iterate = moved
        yield iterate


def _evaluated(objective: Objective, U: np.ndarray, total: float | None) -> Iterate:
    value, G = objective(U)
    found = multipliers(U, G, total)
    return Iterate(U, value, found, G - found.rows[:, None] * U - found.common)


def _reach(iterate: Iterate, diagonal: np.ndarray) -> np.ndarray:
    """Give one over the curvature of each row, (n, 1), from a safe floor on."""
    curvature = np.abs(0.5 * diagonal - iterate.multipliers.rows)
    largest = float(curvature.max())
    if largest == 0:
        return np.ones((curvature.size, 1))
    return 1.0 / np.maximum(curvature, SPREAD * largest)[:, None]


def _direction(
    iterate: Iterate, pairs: deque[_Pair], reach: np.ndarray, total: float | None
) -> np.ndarray:
    """Give a tangent descent direction by the two-loop recursion, O(nr) a pair."""
    gradient = iterate.gradient
    direction, weights = gradient.copy(), []
    for pair in reversed(pairs):
        weight = pair.inverse * float(np.vdot(pair.step, direction))
        direction -= weight * pair.change
        weights.append(weight)
    direction *= reach
    if pairs:
        last = pairs[-1]
        direction /= last.inverse * float(np.vdot(last.change, reach * last.change))
    for pair, weight in zip(pairs, reversed(weights), strict=True):
        weight -= pair.inverse * float(np.vdot(pair.change, direction))
        direction += weight * pair.step
    direction = -tangent_part(iterate.U, direction, total)
    # Carried along by projection, pairs may lose what makes the inverse definite.
    if float(np.vdot(direction, gradient)) < 0:
        return direction if pairs else _not_too_far(direction)
    pairs.clear()
    return _not_too_far(-gradient * float(reach.min()))


def _not_too_far(direction: np.ndarray) -> np.ndarray:
    """Shorten a direction of no known length to a tenth of the rows' own."""
    length = float(np.linalg.norm(direction)) / math.sqrt(direction.shape[0])
    return direction * (CAUTION / length) if length > CAUTION else direction


def _searched(
    objective: Objective, iterate: Iterate, direction: np.ndarray, total: float | None
) -> tuple[Iterate, float] | None:
    """Give a point of sufficient descent (Armijo) and the length that led there."""
    slope = float(np.vdot(direction, iterate.gradient))
    length = 1.0
    for _ in range(TRIALS):
        U = onto_manifold(iterate.U + length * direction, total)
        if U is None:
            length *= 0.25
            continue
        moved = _evaluated(objective, U, total)
        rise = moved.value - iterate.value
        if rise <= 1e-4 * length * slope:
            return moved, length
        # The minimum of the parabola through value, slope and the value found.
        length *= min(max(-0.5 * slope * length / (rise - slope * length), 0.1), 0.5)
    return None


def _pair(
    before: Iterate, after: Iterate, step: np.ndarray, total: float | None
) -> _Pair | None:
    """Carry a step and the gradient's change to the new tangent space."""
    step = tangent_part(after.U, step, total)
    change = after.gradient - tangent_part(after.U, before.gradient, total)
    product = float(np.vdot(step, change))
    sizes = float(np.linalg.norm(step) * np.linalg.norm(change))
    return _Pair(step, change, 1.0 / product) if product > 1e-10 * sizes else None
