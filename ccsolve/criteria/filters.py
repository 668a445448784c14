"""The weights that produce the classes of a group, layer by layer."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidStatistics, MissingStatistics
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]


def writers(stats: Statistics, group: str) -> list[Layer]:
    """Give the layers that write the group; MissingStatistics where there is none."""
    found = [layer for layer in stats.layers.values() if group in layer.outputs]
    if not found:
        raise MissingStatistics(
            f"groups/{group}: no layer that writes it was exported with its weight; "
            "export layers, or a score of that name"
        )
    return found


def summed(
    stats: Statistics, group: str, per_filter: Iterator[tuple[Layer, Array]]
) -> Array:
    """Give (size,): the numbers (n_out,) of every writer's filters, added by class."""
    totals = np.zeros(stats.groups[group].size)
    for layer, values in per_filter:
        classes = layer.outputs[group]
        owned = classes >= 0
        np.add.at(totals, classes[owned], values[owned])
    return totals


def by_class(stats: Statistics, group: str) -> Iterator[Array]:
    """Give every writer's filters as one row per class, (size, filters · entries).

    Raises
    ------
    MissingStatistics
        No layer that writes the group was exported.
    InvalidStatistics
        A writer has more filters of one class than of another.
    """
    size = stats.groups[group].size
    for layer in writers(stats, group):
        classes = layer.outputs[group]
        counts = np.bincount(classes[classes >= 0], minlength=size)
        if counts.min() != counts.max():
            raise InvalidStatistics(
                f"layers/{layer.name}/outputs/{group}: {counts.min()} to "
                f"{counts.max()} filters per class; expected as many of each"
            )
        rows = np.argsort(classes, kind="stable")[(classes < 0).sum() :]
        yield layer.weight[rows].astype(np.float64).reshape(size, -1)
