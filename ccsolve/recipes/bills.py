"""The cost model as arrays, so that all groups' steps are priced at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.recipes.steps import Steps
from ccsolve.statistics import Statistics
from ccsolve.statistics.tables import CostTables, cost_tables

Array = NDArray[Any]

Product = tuple[tuple[str, ...], float]
"""Groups whose widths are multiplied, and the coefficient."""


@dataclass(frozen=True, eq=False)
class Bills:
    """What B resources cost at widths k, and what a change of one group's costs.

    Columns fixed + linear·k + kᵀ square k: fixed (C,), linear (C, G), square (C, G, G)
    symmetric, for G groups. Each of `owners` (C,) says whose column it is: MACs and
    parameters have one each, memory one for every step of the forward pass, of which
    the largest counts. Latency has tables instead. Up to rounding what
    `Statistics.cost` says; exact below 2⁵² where that is whole.
    """

    resources: tuple[str, ...]
    owners: Array
    fixed: Array
    linear: Array
    square: Array
    latency: "_Times | None"

    @classmethod
    def of(cls, stats: Statistics, resources: Sequence[str], steps: Steps) -> "Bills":
        """Read the statistics' cost model; widths are those of `steps`."""
        columns = [
            column
            for place, name in enumerate(resources)
            for column in _columns(stats, name, place)
        ]
        count = len(stats.groups)
        places = {name: place for place, name in enumerate(stats.groups)}
        forms = [_form(terms, places) for _, terms in columns]
        return cls(
            resources=tuple(resources),
            owners=np.array([owner for owner, _ in columns], dtype=np.int64),
            fixed=np.array([form[0] for form in forms]),
            linear=np.array([form[1] for form in forms]).reshape(-1, count),
            square=np.array([form[2] for form in forms]).reshape(-1, count, count),
            latency=_Times.of(stats, steps) if "latency" in resources else None,
        )

    def at(self, k: Array) -> Array:
        """Give the costs at the widths, (B,)."""
        return self._owned(self._columns_at(k)[:, None], k)[:, 0]

    def changes(self, k: Array, by: Array) -> Array:
        """Give what costs change if group g alone changes by by[g], (B, G)."""
        own = np.einsum("cgg->cg", self.square)
        change = by * (self.linear + 2.0 * (self.square @ k) + own * by)
        now = self._columns_at(k)[:, None]
        after = self._owned(now + change, k, by)
        return after - self._owned(now, k)

    def _columns_at(self, k: Array) -> Array:
        return self.fixed + (self.linear + self.square @ k) @ k

    def _owned(self, columns: Array, k: Array, by: Array | None = None) -> Array:
        """Give each resource the largest of its columns, latency from its tables."""
        found = np.full((len(self.resources), columns.shape[1]), -np.inf)
        np.maximum.at(found, self.owners, columns)
        if self.latency is not None:
            row = self.resources.index("latency")
            found[row] = self.latency.at(k) + (
                0.0 if by is None else self.latency.changes(k, by)
            )
        return found


@dataclass(frozen=True, eq=False)
class _Times:
    """Latency by tables over the groups' admissible widths."""

    grids: list[Array]
    tables: CostTables
    partners: list[list[tuple[int, Array]]]

    @classmethod
    def of(cls, stats: Statistics, steps: Steps) -> "_Times":
        tables = cost_tables(stats, ["latency"], steps)
        places = {name: place for place, name in enumerate(stats.groups)}
        partners: list[list[tuple[int, Array]]] = [[] for _ in places]
        for (first, second), table in tables.pairs.items():
            partners[places[first]].append((places[second], table[:, :, 0]))
            partners[places[second]].append((places[first], table[:, :, 0].T))
        grids = [np.asarray(steps[name]) for name in places]
        return cls(grids, tables, partners)

    def places(self, k: Array) -> list[int]:
        """Give where the widths stand on their grids."""
        return [
            int(np.searchsorted(grid, width))
            for grid, width in zip(self.grids, k, strict=True)
        ]

    def at(self, k: Array) -> float:
        """Give the microseconds at the widths."""
        named = dict(zip(self.tables.own, self.places(k), strict=True))
        return float(self.tables.at(named)[0])

    def changes(self, k: Array, by: Array) -> Array:
        """Give what each group's own change adds, NaN where `by` is, (G,)."""
        places = self.places(k)
        found = np.full(len(places), np.nan)
        for group, table in enumerate(self.tables.own.values()):
            if np.isnan(by[group]):
                continue
            old = places[group]
            new = int(np.searchsorted(self.grids[group], k[group] + by[group]))
            found[group] = table[new, 0] - table[old, 0]
            for other, pair in self.partners[group]:
                found[group] += pair[new, places[other]] - pair[old, places[other]]
        return found


def _columns(
    stats: Statistics, resource: str, place: int
) -> list[tuple[int, list[Product]]]:
    """Give the columns of a resource: its place, and the products that it sums."""
    if resource == "memory":
        stats.cost().of("memory")
        memory = stats.memory
        assert memory is not None
        return [
            (place, [(part.groups, part.count) for part in (*memory.weights, *step)])
            for step in memory.steps or ((),)
        ]
    if resource == "latency":
        return []
    terms = (term for op in stats.operations for term in op.terms)
    return [(place, [(term.groups, getattr(term, resource)) for term in terms])]


def _form(
    terms: Iterable[Product], places: Mapping[str, int]
) -> tuple[float, Array, Array]:
    """Give fixed, linear (G,) and square (G, G) parts of a sum of products."""
    count = len(places)
    fixed, linear, square = 0.0, np.zeros(count), np.zeros((count, count))
    for groups, amount in terms:
        match [places[name] for name in groups]:
            case []:
                fixed += amount
            case [group]:
                linear[group] += amount
            case [first, second]:
                square[first, second] += 0.5 * amount
                square[second, first] += 0.5 * amount
    return fixed, linear, square
