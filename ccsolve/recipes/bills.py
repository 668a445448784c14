"""The cost model as arrays, so that all groups' steps are priced at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.statistics import Statistics

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Bills:
    """Costs fixed + linear·k + kᵀ square k of widths k.

    fixed (B,), linear (B, G), square (B, G, G) symmetric, for B resources and G
    groups. Up to rounding what `Statistics.cost` says; exact below 2⁵² where that is
    whole.
    """

    fixed: Array
    linear: Array
    square: Array

    @classmethod
    def of(cls, stats: Statistics, resources: Sequence[str]) -> "Bills":
        """Read the terms of the statistics' operations."""
        places = {name: place for place, name in enumerate(stats.groups)}
        count = len(places)
        fixed, linear = np.zeros(len(resources)), np.zeros((len(resources), count))
        square = np.zeros((len(resources), count, count))
        for term in (term for op in stats.operations for term in op.terms):
            amounts = np.array([getattr(term, name) for name in resources], dtype=float)
            match [places[name] for name in term.groups]:
                case []:
                    fixed += amounts
                case [group]:
                    linear[:, group] += amounts
                case [first, second]:
                    square[:, first, second] += 0.5 * amounts
                    square[:, second, first] += 0.5 * amounts
        return cls(fixed, linear, square)

    def at(self, k: Array) -> Array:
        """Give the costs at the widths, (B,)."""
        return self.fixed + (self.linear + self.square @ k) @ k

    def changes(self, k: Array, by: Array) -> Array:
        """Give what costs change if group g alone changes by by[g], (B, G)."""
        own = np.einsum("bgg->bg", self.square)
        return by * (self.linear + 2.0 * (self.square @ k) + own * by)
