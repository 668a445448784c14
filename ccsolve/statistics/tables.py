"""What widths on grids cost: tables of one group and of two that add up to the cost."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem
from ccsolve.statistics.cost import COUNTED
from ccsolve.statistics.latency import MOST_GROUPS, LatencyTable
from ccsolve.statistics.network import Statistics

ADDITIVE = (*COUNTED, "latency")
"""The resources that are sums over the operations."""

Array = NDArray[Any]
Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class CostTables:
    """Costs of B resources by the places of the groups' widths on their grids.

    At places i_g the network costs

        fixed + Σ_g own[g][i_g] + Σ_(g,h) pairs[g, h][i_g, i_h].

    fixed (B,); own (K_g, B) for every group; pairs (K_g, K_h, B) where the cost has a
    part that depends on both widths, g before h in the order of the groups. What
    depends on groups of one width alone stands in `fixed`. float64: exact below 2⁵³
    where the coefficients are whole.
    """

    fixed: Array
    own: Mapping[str, Array]
    pairs: Mapping[Pair, Array]

    def at(self, places: Mapping[str, int]) -> Array:
        """Give the costs (B,) at the places of the groups' widths."""
        total = self.fixed.copy()
        for name, table in self.own.items():
            total += table[places[name]]
        for (first, second), table in self.pairs.items():
            total += table[places[first], places[second]]
        return total


def cost_tables(
    stats: Statistics, resources: Sequence[str], grids: Mapping[str, Sequence[int]]
) -> CostTables:
    """Give the tables that add up to `stats.cost` at the grids' widths.

    Parameters
    ----------
    stats
        The groups and the cost model.
    resources
        "macs", "params" or "latency", one per column; peak memory is no sum, see
        `memory_tables`.
    grids
        By group: the widths that it may have, at least one. Groups that are not named
        stay dense.

    Returns
    -------
    Tables of O(Σ_g K_g + Σ_pairs K_g K_h) entries per resource; as many operations for
    each term.

    Raises
    ------
    InvalidProblem
        A resource or a group is unknown, a grid is empty or leaves [0, size].
    MissingStatistics
        "latency" is asked for and no tables were given.
    """
    _check_resources(stats, resources)
    sums = _Sums(_checked_grids(stats, grids), len(resources))
    for term in (term for op in stats.operations for term in op.terms):
        sums.add(term.groups, [getattr(term, name, 0) for name in resources])
    times = np.array([float(name == "latency") for name in resources])
    for table in stats.latency if times.any() else ():
        _add_latency(sums, table, times)
    return sums.tables()


def memory_tables(stats: Statistics, grids: Mapping[str, Sequence[int]]) -> CostTables:
    """Give the bytes at every step of the forward pass, one column per step.

    The memory at any widths is the largest of the columns' sums; a budget on it is the
    same budget on every column. `grids` as in `cost_tables`.

    MissingStatistics if the statistics hold no memory.
    """
    stats.cost().of("memory")
    steps = () if stats.memory is None else stats.memory.steps or ((),)
    sums = _Sums(_checked_grids(stats, grids), len(steps))
    for part in stats.memory.weights if stats.memory else ():
        sums.add(part.groups, [part.count] * len(steps))
    for column, step in enumerate(steps):
        for part in step:
            amounts = np.zeros(len(steps))
            amounts[column] = part.count
            sums.add(part.groups, amounts)
    return sums.tables()


def _add_latency(sums: "_Sums", table: LatencyTable, times: Array) -> None:
    if len(table.groups) > MOST_GROUPS:
        for groups, coefficient in table.products():
            sums.add(groups, coefficient * times)
        return
    free = sums.varying(table.groups)
    widths = {name: sums.along(name, free) for name in table.groups}
    sums.put(free, np.asarray(table.at(widths))[..., None] * times)


class _Sums:
    """Tables to which terms are added, one after the other."""

    def __init__(self, grids: Mapping[str, Array], count: int) -> None:
        self.grids, self.count = grids, count
        self.order = {name: place for place, name in enumerate(grids)}
        self.fixed = np.zeros(count)
        self.own = {name: np.zeros((len(grid), count)) for name, grid in grids.items()}
        self.pairs: dict[Pair, Array] = {}

    def add(self, groups: Iterable[str], amounts: Sequence[float] | Array) -> None:
        """Add amounts * the product of the groups' widths."""
        given = tuple(groups)
        free = self.varying(given)
        table = np.asarray(amounts, dtype=float)
        table = table * math.prod(
            int(self.grids[name][0]) for name in given if name not in free
        )
        for name in (name for name in given if name in free):
            table = self.along(name, free)[..., None].astype(float) * table
        self.put(free, table)

    def along(self, name: str, free: tuple[str, ...]) -> Array:
        """Give a group's widths on an axis of its own among those of `free`."""
        grid = self.grids[name]
        return grid.reshape([len(grid) if name == other else 1 for other in free])

    def varying(self, groups: Iterable[str]) -> tuple[str, ...]:
        """Give the groups, each once and in order, that have several widths."""
        free = {name for name in groups if len(self.grids[name]) > 1}
        return tuple(sorted(free, key=self.order.__getitem__))

    def put(self, free: tuple[str, ...], table: Array) -> None:
        """Add a table over the widths of no, one or two groups that vary."""
        match free:
            case ():
                self.fixed += table
            case (name,):
                self.own[name] += table
            case (first, second):
                shape = len(self.grids[first]), len(self.grids[second]), self.count
                self.pairs.setdefault((first, second), np.zeros(shape))
                self.pairs[first, second] += table

    def tables(self) -> CostTables:
        """Give what was summed."""
        return CostTables(self.fixed, self.own, self.pairs)


def _check_resources(stats: Statistics, resources: Sequence[str]) -> None:
    for name in resources:
        if name not in ADDITIVE:
            raise InvalidProblem(
                f"resource {name!r}; expected one that adds up over the operations: "
                f"{', '.join(ADDITIVE)}"
            )
    if "latency" in resources:
        stats.cost().of("latency")


def _checked_grids(
    stats: Statistics, grids: Mapping[str, Sequence[int]]
) -> dict[str, Array]:
    unknown = sorted(set(grids) - set(stats.groups))
    if unknown:
        raise InvalidProblem(
            f"grids name the group {unknown[0]!r}; the statistics hold "
            f"{', '.join(stats.groups)[:200]}"
        )
    return {
        name: _checked_grid(name, grids.get(name, [group.size]), group.size)
        for name, group in stats.groups.items()
    }


def _checked_grid(name: str, widths: Sequence[int], size: int) -> Array:
    grid = np.asarray(widths)
    whole = grid.ndim == 1 and grid.size > 0 and grid.dtype.kind in "iu"
    if not whole or grid.min() < 0 or grid.max() > size:
        raise InvalidProblem(
            f"grid of group {name!r}: {widths!r:.80}; expected integers from 0 to "
            f"{size}, at least one"
        )
    return grid.astype(np.int64)
