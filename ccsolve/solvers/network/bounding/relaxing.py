"""The relaxation of a coupled program within its budgets: where its tangent is high."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ccsolve.kernels.network_boxes import Costs, descend_factor, descend_matrix
from ccsolve.problems.network_relaxed import products_of, relaxed_widths, slopes_at
from ccsolve.solvers.network.bounding.separable import Split

SWEEPS, STILL = 50, 1e-4
"""Sweeps of a round at most, and the moves of a sweep, or a round, that is the last."""

CLOSE, EASY = 1e-4, 0.02
"""Shares of a budget: what a point may be off, and what costs twice the price."""

WORK = 100_000_000
"""Entries of M that small rounds read before a look at the limits; others one round."""

LEAST, MOST = 1e-6, 1e2
"""Of the first price: what the steepness is of at least, and any price at most."""


@dataclass
class Relaxation:
    """own(y) + yᵀMy over the box, within all budgets; blocks are left out.

    Attributes
    ----------
    point : (n,) in [0, 1].
    prices : (B,) what a unit of each budget is worth there.
    """

    split: Split
    point: np.ndarray
    prices: np.ndarray

    @classmethod
    def at(cls, split: Split, start: np.ndarray) -> "Relaxation":
        """Begin at a point, each whole budget worth what the linear term is in size."""
        scale = _scale(split)
        return cls(split, start.astype(np.float64), _first_price(split) / scale)

    def settle(self, rounds: int) -> Iterator[None]:
        """Move to a point that is least within the budgets next to it, about.

        By the method of multipliers (Hestenes, Powell, 1969): coordinates descend what
        a point loses and what being off its budgets costs, then prices change by what
        it is off. Budgets rise with products of widths, so that they bound no convex
        set: the point is stationary, and near the start rather than best of all. One
        with tables has its slopes fixed for a round. Heuristic: any point gives a
        bound. O(n²) a sweep, O(mn) with a factor; yields now and then.
        """
        problem, first = self.split.problem, _first_price(self.split)
        scale, fixed = _scale(self.split), self.split.problem.fixed
        if fixed is not None:
            self.point[fixed >= 0] = fixed[fixed >= 0]
        square, price = products_of(problem) / scale[:, None, None], self.prices * scale
        square[[bool(budget.tables) for budget in problem.budgets]] = 0.0
        often = max(1, WORK // (SWEEPS * max(self.split.rest.size, 1)))
        for turn in range(rounds):
            before = self.point.copy()
            steep = np.maximum(price, LEAST * first) / EASY
            rates = slopes_at(problem, relaxed_widths(problem, before)) / scale[:, None]
            costs = Costs(problem.groups, square, rates, self._off(), price, steep)
            self._descend(costs)
            price = np.clip(price + steep * costs.off, 0.0, MOST * first)
            self.prices = price / scale
            if (turn + 1) % often == 0:
                yield
            moved = float(np.abs(self.point - before).max(initial=0.0))
            if self._off().max(initial=0.0) <= CLOSE and moved <= STILL:
                break

    def _off(self) -> np.ndarray:
        problem = self.split.problem
        spent = problem.spent_at(relaxed_widths(problem, self.point))
        return (spent - problem.limits) / _scale(self.split)

    @cached_property
    def _rows(self) -> np.ndarray:
        factor = self.split.rest.factor
        assert factor is not None
        return np.ascontiguousarray(factor.T)

    @cached_property
    def _squares(self) -> np.ndarray:
        return np.einsum("ij,ij->i", self._rows, self._rows)

    def _descend(self, costs: Costs) -> None:
        split, rest, y = self.split, self.split.rest, self.point
        fixed, image = split.problem.fixed, rest.image(y)
        free = np.ones(len(y), dtype=bool) if fixed is None else fixed < 0
        if rest.factor is not None:
            parts = (self._rows, self._squares, split.linear, free, y, image, costs)
            descend_factor(*parts, SWEEPS, STILL)
        else:
            parts = (rest.matrix, rest.shift, split.linear, free, y, image, costs)
            descend_matrix(*parts, SWEEPS, STILL)


def _scale(split: Split) -> np.ndarray:
    """Give what counts as a whole budget, (B,): its limit, where that is something."""
    return np.where(split.problem.limits > 0.0, split.problem.limits, 1.0)


def _first_price(split: Split) -> float:
    """Give the size of the linear term; where there is none, M's trace."""
    return float(np.abs(split.linear).sum()) or split.rest.trace
