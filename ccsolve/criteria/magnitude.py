"""Norms of the weights that produce a channel."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import MissingStatistics
from ccsolve.statistics import Statistics


def l1(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give sum |w| over the filters of each class.

    Li et al., Pruning filters for efficient ConvNets, ICLR 2017, section 3.1. Where
    several layers write one class (a residual sum), their sums add up.
    """
    return _sums(stats, group, np.abs)


def l2(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give (sum w^2)^(1/2) over the filters of each class.

    He et al., Soft filter pruning, IJCAI 2018, equation 2 with p = 2.
    """
    return np.sqrt(_sums(stats, group, np.square))


def _sums(
    stats: Statistics, group: str, of: Callable[[np.ndarray], np.ndarray]
) -> NDArray[np.float64]:
    totals = np.zeros(stats.groups[group].size)
    writers = [layer for layer in stats.layers.values() if group in layer.outputs]
    if not writers:
        raise MissingStatistics(
            f"groups/{group}: no layer that writes it was exported with its weight; "
            "export layers, or a score of that name"
        )
    for layer in writers:
        classes = layer.outputs[group]
        per_filter = of(layer.weight.astype(np.float64)).reshape(len(classes), -1)
        owned = classes >= 0
        np.add.at(totals, classes[owned], per_filter.sum(axis=1)[owned])
    return totals
