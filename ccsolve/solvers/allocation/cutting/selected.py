"""The options of small reduced cost, as a core that searches look at."""

from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.knapsack_core import Core
from ccsolve.kernels.knapsack_pricing import Priced, survivors
from ccsolve.solvers.allocation.cutting.dual import Dual

_ROUNDING = 4e-16
"""What sums and differences of costs may be off by, for each layer and unit."""


@dataclass(frozen=True, eq=False)
class Selected:
    """A core of a table, and the way back.

    Attributes
    ----------
    core : layers with one option left are taken out of it.
    options : (M,) the table's number of each of its options.
    fixed : the table's options of the layers taken out.
    """

    core: Core
    options: np.ndarray
    fixed: np.ndarray

    @property
    def layers(self) -> int:
        """Number of layers with more than one option."""
        return len(self.core.first) - 1

    def chosen(self, choice: np.ndarray) -> np.ndarray:
        """Give the table's options of a choice in the core, one per layer."""
        return np.concatenate([self.options[choice], self.fixed])

    def choice(self, chosen: np.ndarray) -> np.ndarray:
        """Give the choice in the core of the table's options, all of them selected."""
        return np.flatnonzero(np.isin(self.options, chosen))


def within(table: Priced, dual: Dual, span: float) -> Selected:
    """Give the options of reduced cost at most ``span``, and rounding; O(N·B)."""
    kept = np.empty(len(table.losses), dtype=np.int64)
    room = span + 1e-13 * (table.weight + abs(dual.bound))
    count = survivors(table, dual.prices, dual.least, room, kept)
    return selected(table, kept[:count])


def nearest(table: Priced, dual: Dual, count: int, wanted: np.ndarray) -> Selected:
    """Give about so many options of least reduced cost, and those wanted."""
    if count >= len(table.losses):
        return selected(table, np.arange(len(table.losses)))
    reduced = reduced_costs(table, dual)
    kept = np.argpartition(reduced, count - 1)[:count]
    return selected(table, np.union1d(kept, wanted))


def reduced_costs(table: Priced, dual: Dual) -> np.ndarray:
    """Give every option's priced value less the least of its layer, (N,)."""
    values = table.losses + dual.prices @ table.costs
    return values - np.repeat(dual.least, np.diff(table.offsets))


def selected(table: Priced, kept: np.ndarray) -> Selected:
    """Give the core of some options, in rising order, at least one per layer."""
    counts = np.diff(np.searchsorted(kept, table.offsets))
    alone = np.repeat(counts == 1, counts)
    fixed, options = kept[alone], kept[~alone]
    left = counts[counts > 1]
    costs = np.ascontiguousarray(table.costs[:, options].T)
    first = np.concatenate([[0], np.cumsum(left)])
    spent = table.costs[:, fixed].sum(axis=1)
    largest = table.limits + spent
    if len(left):
        largest = largest + np.maximum.reduceat(costs, first[:-1]).sum(axis=0)
    core = Core(
        losses=table.losses[options],
        costs=costs,
        first=first,
        layers=np.repeat(np.arange(len(left)), left),
        room=table.limits - spent,
        margin=_ROUNDING * (len(counts) + 8) * largest,
        base=float(table.losses[fixed].sum()),
        weight=table.weight,
    )
    return Selected(core, options, fixed)
