"""A program near given widths without budgets: their costs priced, to first order."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cholesky

from ccsolve.problems.network_relaxed import relaxed_widths, slopes_at
from ccsolve.solvers.network.searching.engine import Engine

SLACK = 1e-4
"""The share of a budget that costs as much again as its price says."""

_LEAST, _BENT = 1e-12, 1e-3
"""Of the largest terms: what is added at least, and where a block is not convex."""


@dataclass(frozen=True, eq=False)
class Priced:
    """The quadratic zᵀ(Q + costsᵀcosts)z + linearᵀz, without what is constant.

    In the places of the kernels' program, whose Q is laid out whole. `costs` (B, n) are
    what channels cost, scaled to the penalty on what is off the budgets.
    """

    engine: Engine
    costs: np.ndarray
    linear: np.ndarray

    @classmethod
    def near(
        cls, engine: Engine, y: np.ndarray, prices: np.ndarray, aims: np.ndarray
    ) -> "Priced":
        """Take costs to first order at the widths of y (n,), a relaxed point.

        For a budget B of price p and aim a, off = cost - a is charged
        p·off + p·off²/(`SLACK`·B): the search ends next to the aim, not below.
        """
        problem, net, order = engine.problem, engine.net, engine.order
        paid = (prices > 0.0) & (problem.limits > 0.0)
        limit, price, k = problem.limits[paid], prices[paid], relaxed_widths(problem, y)
        cost = slopes_at(problem, k)[paid][:, problem.groups[order]]
        steep = price / (SLACK * limit)
        off = problem.spent_at(k)[paid] - aims[paid] - cost @ y[order]
        linear = net.q + (price + 2.0 * steep * off) @ cost
        return cls(engine, np.sqrt(steep)[:, None] * cost, linear)

    def block(self, places: np.ndarray) -> np.ndarray:
        """Give the matrix of some channels, O(m²)."""
        n, costs = self.engine.problem.n, self.costs[:, places]
        Q = self.engine.net.rows.values.reshape(n, n)
        return Q[np.ix_(places, places)] + costs.T @ costs

    def root(
        self, block: np.ndarray, ridge: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give R, upper triangular, with RᵀR a block and a ridge (m,), and the ridge.

        Where the block is not convex all of the ridge is raised until it is. O(m³).
        """
        largest = float(np.abs(block.diagonal()).max(initial=0.0))
        scale = max(largest, float(np.abs(self.linear).max(initial=0.0))) or 1.0
        ridge = np.maximum(ridge, _LEAST * scale)
        while True:
            try:
                return cholesky(block + np.diag(ridge)), ridge
            except LinAlgError:
                ridge = np.maximum(4.0 * ridge, _BENT * largest)

    def slope(self, z: np.ndarray) -> np.ndarray:
        """Give the gradient at z (n,), O(n²)."""
        order, own = self.engine.order, np.empty(len(z))
        own[order] = z
        of_loss = self.engine.problem.form.multiply(own)[order]
        return 2.0 * (of_loss + (self.costs @ own[order]) @ self.costs) + self.linear
