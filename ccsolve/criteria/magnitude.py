"""Norms of the weights that produce a channel."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.filters import summed, writers
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


def lamp(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give q_i / Σ q_j over the classes j that are as large, q the squared norm.

    With all smaller classes gone, the share of the group's squared norm that class i
    takes along: the largest has 1, and one threshold for all groups asks the same
    relative distortion of each. Lee et al., Layer-adaptive sparsity for the
    magnitude-based pruning, ICLR 2021, state it for single weights; here it is derived
    for classes, with q the squared norm of a class's filters.
    """
    squares = _sums(stats, group, np.square)
    order = np.argsort(squares, kind="stable")
    left = np.cumsum(squares[order][::-1])[::-1]
    shares = np.zeros(len(squares))
    shares[order] = np.divide(
        squares[order], left, out=np.zeros(len(left)), where=left > 0
    )
    return shares


def _sums(
    stats: Statistics, group: str, of: Callable[[np.ndarray], np.ndarray]
) -> NDArray[np.float64]:
    per_filter = (
        (layer, of(layer.weight.astype(np.float64)).reshape(len(layer.weight), -1))
        for layer in writers(stats, group)
    )
    sums = ((layer, values.sum(axis=1)) for layer, values in per_filter)
    return summed(stats, group, sums)
