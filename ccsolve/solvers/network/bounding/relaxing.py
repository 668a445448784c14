"""The convex relaxation at fixed slopes of the costs: where its tangent is high."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ccsolve.kernels.network_boxes import descend_factor, descend_matrix
from ccsolve.solvers.network.bounding.separable import Split

SWEEPS, TRIALS, CLOSE = 25, 30, 0.02
"""Sweeps at one price; prices tried at most, and how near the last two are."""

FACTOR = 4.0
"""By which prices rise, or fall, until they lie on both sides."""


@dataclass(frozen=True, eq=False)
class Relaxation:
    """own(y) + yᵀMy + price·Σ slopes_g·y_i over the box; blocks are left out."""

    split: Split

    def least(self, slopes: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
        """Give a minimiser (n,) at the price that the budgets ask for, and that price.

        The price is the least, up to a few per cent, at which the widths Σ_{i∈g} y_i
        keep all budgets: with slopes (G,) of the costs at the right widths this is the
        minimiser of the Lagrangian relaxation, where the bound of the tangent is
        highest. Coordinate descent, each price from the point of the one before; O(n²)
        a sweep, O(mn) with a factor. Heuristic: any point gives a bound.
        """
        cost = slopes[self.split.problem.groups]
        low, high, price = 0.0, math.inf, 1.0
        y, best = start.copy(), start
        for _ in range(TRIALS):
            self._descend(price * cost, y)
            if self._fits(y):
                high, best = price, y.copy()
            else:
                low = price
            if low > 0.0 and high - low < CLOSE * high:
                break
            between = math.sqrt(low * high) if low > 0.0 < high < math.inf else 0.0
            price = between or (FACTOR * low if low > 0.0 else high / FACTOR)
        return best if high < math.inf else y, min(high, price)

    @cached_property
    def _rows(self) -> np.ndarray:
        factor = self.split.rest.factor
        assert factor is not None
        return np.ascontiguousarray(factor.T)

    @cached_property
    def _squares(self) -> np.ndarray:
        return np.einsum("ij,ij->i", self._rows, self._rows)

    def _fits(self, y: np.ndarray) -> bool:
        problem = self.split.problem
        widths = np.bincount(problem.groups, weights=y, minlength=problem.count)
        return problem.fits(widths)

    def _descend(self, priced: np.ndarray, y: np.ndarray) -> None:
        split, rest, fixed = self.split, self.split.rest, self.split.problem.fixed
        free, linear = np.ones(len(y), dtype=bool), split.linear + priced
        if fixed is not None:
            free = fixed < 0
            y[~free] = fixed[~free]
        image = rest.image(y)
        if rest.factor is not None:
            parts = (self._rows, self._squares, linear, free, y, image)
            descend_factor(*parts, SWEEPS)
        else:
            parts = (rest.matrix, rest.shift, linear, free, y, image)
            descend_matrix(*parts, SWEEPS)
