"""Costs of options and of pairs of them, in the form that `RateAllocation` takes."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PairTables = dict[tuple[int, int], Array]
"""By two places, the smaller first: (K, K', B) for every two of their options."""


def add_table(pairs: PairTables, a: int, b: int, table: Array) -> None:
    """Add the table of the options of a and b, in whatever order they come."""
    if a > b:
        a, b, table = b, a, table.swapaxes(0, 1)
    pairs[a, b] = pairs[a, b] + table if (a, b) in pairs else np.array(table)


def made_positive(own: list[Array], pairs: PairTables) -> list[Array]:
    """Move the least entries of each pair of options, in place, to the options alone.

    All sums stay. Give `own` without negative entries: what was added and taken off
    again may be a rounding below nothing.
    """
    for (a, b), table in pairs.items():
        least = np.minimum(table.min(axis=0), 0.0)
        own[b] += least
        table -= least
        least = np.minimum(table.min(axis=1), 0.0)
        own[a] += least
        table -= least[:, None]
    return [np.maximum(each, 0.0) for each in own]
