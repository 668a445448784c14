"""How far a channel's weights are from those of the others."""

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.filters import by_class
from ccsolve.statistics import Statistics


def fpgm(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give Σ_k ‖w_i - w_k‖, w_i all filters of class i in one vector.

    The filter nearest the geometric median of a layer's filters has the least sum: what
    it says the others can say. He et al., Filter pruning via geometric median, CVPR
    2019. O(size² · entries).
    """
    squared = sum(_squared_distances(rows) for rows in by_class(stats, group))
    return np.sqrt(squared).sum(axis=1)


def _squared_distances(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    # Differences and not products: those leave rounding where two filters are alike.
    return np.array([np.square(rows - row).sum(axis=1) for row in rows])
