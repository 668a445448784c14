"""Every breakpoint of an allocation's loss over its budget, from hulls and one sort."""

from typing import NamedTuple

import numpy as np

from ccsolve.problems import RateAllocation
from ccsolve.solvers.allocation.corridor.hulls import (
    Prepared,
    in_problem_units,
    prepare,
)


class Breakpoints(NamedTuple):
    """Those of the linear relaxation as the budget grows, P of them.

    At costs[p] it is attained by whole options and equals losses[p], which nothing that
    costs as little undercuts; between two breakpoints it is linear. ``prices[p]`` is
    the loss that a unit of budget saves after p, 0 at the end. To reach p > 0 from
    p - 1, layer layers[p] moves to its option options[p]; the first point is
    ``start``, layers[0] and options[0] are -1.
    """

    costs: np.ndarray
    losses: np.ndarray
    prices: np.ndarray
    layers: np.ndarray
    options: np.ndarray
    start: np.ndarray

    def point(self, p: int) -> np.ndarray:
        """Give breakpoint p as a point (L,); O(L + p)."""
        x = self.start.copy()
        # The last move of a layer is the one that stays.
        x[self.layers[1 : p + 1]] = self.options[1 : p + 1]
        return x


def breakpoints(
    problem: RateAllocation, prepared: Prepared | None = None
) -> Breakpoints:
    """Give every breakpoint of the loss over the budget, of the linear relaxation.

    For one budget and no pairs; the problem's own budget plays no part. O(E) after
    `prepare`. Costs and losses are sums in floating point.
    """
    tables = prepare(problem) if prepared is None else prepared
    order_of_layer = np.argsort(tables.edge_layer, kind="stable")
    ends = np.empty(len(tables.edge_layer), dtype=np.int64)
    # By falling price a layer's edges come in their order along its hull.
    ends[order_of_layer] = np.delete(tables.vertices, tables.starts[:-1])
    begins = np.empty_like(ends)
    begins[order_of_layer] = np.delete(tables.vertices, tables.starts[1:] - 1)
    first = tables.chosen(np.zeros(tables.n, dtype=np.int64))
    losses, costs = problem.flat_losses, problem.flat_costs[:, 0]
    layers = np.append(-1, tables.edge_layer)
    return Breakpoints(
        costs=_summed(costs[first].sum(), costs[ends] - costs[begins]),
        losses=_summed(losses[first].sum(), losses[ends] - losses[begins]),
        prices=in_problem_units(tables, np.append(tables.price, 0.0)),
        layers=layers,
        options=np.append(-1, ends - tables.offsets[tables.edge_layer]),
        start=first - tables.offsets[:-1],
    )


def _summed(first: float, changes: np.ndarray) -> np.ndarray:
    return np.cumsum(np.append(first, changes))
