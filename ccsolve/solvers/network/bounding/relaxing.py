"""The convex relaxation at fixed slopes of the costs: where its tangent is high."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ccsolve.kernels.network_boxes import descend_factor, descend_matrix
from ccsolve.solvers.network.bounding.separable import Split

SWEEPS, HALVINGS = 25, 8
"""Sweeps at one price, and halvings of the interval that the price lies in."""


@dataclass(frozen=True, eq=False)
class Relaxation:
    """own(y) + yᵀMy + price·Σ slopes_g·y_i over the box; blocks are left out."""

    split: Split

    def least(self, slopes: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Give a minimiser at the price that the budgets ask for, (n,).

        The price is the least, up to a few per cent, at which the widths Σ_{i∈g} y_i
        keep all budgets: with slopes (G,) of the costs at the right widths this is the
        minimiser of the Lagrangian relaxation, where the bound of the tangent is
        highest. Coordinate descent, each price from the point of the one before; O(n²)
        a sweep, O(mn) with a factor. Heuristic: any point gives a bound.
        """
        cost = slopes[self.split.problem.groups]
        low, high, y = 0.0, 1.0, start.copy()
        while high < 2.0**20:
            self._descend(high * cost, y)
            if self._fits(y):
                break
            low, high = high, 2.0 * high
        best = y.copy()
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            self._descend(middle * cost, y)
            if self._fits(y):
                high, best = middle, y.copy()
            else:
                low = middle
            if high - low < 0.02 * high:
                break
        return best

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
