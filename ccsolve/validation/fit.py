"""How well predicted rises of a loss agree with measured ones."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]

FLOOR = 1e-3
"""Rises count for no less than this share of the largest measured one."""


def rank_correlation(predicted: Array, measured: Array) -> float:
    """Give Spearman's rank correlation; 0 where either is constant, or empty."""
    if not len(predicted):
        return 0.0
    first, second = (np.asarray(rankdata(part)) for part in (predicted, measured))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else 0.0


def log_error(predicted: Array, measured: Array) -> float:
    """Give the mean of abs(log2(predicted / measured)).

    Both count for no less than `FLOOR` of the largest measured rise: what is nearly 0,
    or below it, has no logarithm to speak of. 0 where nothing was measured to rise.
    """
    least = FLOOR * float(np.max(measured, initial=0.0))
    if least <= 0:
        return 0.0
    ratio = np.maximum(predicted, least) / np.maximum(measured, least)
    return float(np.abs(np.log2(ratio)).mean())
