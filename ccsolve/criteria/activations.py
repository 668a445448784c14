"""How active a channel is."""

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import MissingStatistics
from ccsolve.statistics import Statistics


def apoz(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give 1 - APoZ, the share of activations that are not zero.

    APoZ_i is the share of exact zeros after the rectifier, over samples and positions.
    Hu et al., Network trimming, 2016, equation 1.
    """
    return 1.0 - _activation(stats, group, "zero_fraction")


def mean_activation(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give mean |a_i| over samples and positions.

    The activation criterion of Molchanov et al., ICLR 2017, section 2.2; behind a
    rectifier |a| = a.
    """
    return _activation(stats, group, "mean_abs")


def _activation(stats: Statistics, group: str, key: str) -> NDArray[np.float64]:
    activation = stats.groups[group].activation
    if key not in activation:
        raise MissingStatistics(
            f"groups/{group}: no activation {key!r} was collected; collect it or take "
            "another criterion"
        )
    return activation[key].astype(np.float64)
