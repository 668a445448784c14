"""What the loss says about a channel's gate or weights, one channel at a time."""

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.filters import summed, writers
from ccsolve.errors import MissingStatistics
from ccsolve.statistics import Layer, Statistics


def taylor(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give |g_i|, the first-order change of the mean loss when class i is removed.

    g_i = mean of d loss / d beta_i = mean of sum (d loss / d a) a over the class's
    activations a. Molchanov et al., Pruning convolutional neural networks for resource
    efficient inference, ICLR 2017, equation 7, on the mean over the samples.
    """
    gradient = stats.groups[group].gradient
    if gradient is None:
        raise _missing(group, "gradient")
    return np.abs(gradient.astype(np.float64))


def taylor_per_sample(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give mean over samples of |g_ni|, the same with the absolute value inside.

    Molchanov et al., ICLR 2017, the mean taken over samples; their division by the
    layer's norm does not change the order within a group.
    """
    rows = _fisher_rows(stats, group)
    return np.abs(rows).sum(axis=0) / np.sqrt(len(rows))


def taylor_weight(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give (Σ g_m w_m)^2 over the weights m of each class's filters.

    g is the mean gradient of the loss in the weights: the squared first-order change of
    the loss when all of them go. Molchanov et al., Importance estimation for neural
    network pruning, CVPR 2019, with the sum inside the square. Where several layers
    write one class, the changes add up before they are squared.
    """
    changes = ((layer, _changes(layer, group)) for layer in writers(stats, group))
    return np.square(summed(stats, group, changes))


def _changes(layer: Layer, group: str) -> NDArray[np.float64]:
    if layer.gradient is None:
        raise MissingStatistics(
            f"groups/{group}: layer {layer.name} has no mean gradient of its weights; "
            "collect with layers='gradients', or take another criterion"
        )
    products = layer.gradient.astype(np.float64) * layer.weight.astype(np.float64)
    return products.reshape(len(products), -1).sum(axis=1)


def fisher(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give 1/2 mean of g_ni^2, half the diagonal of the empirical Fisher.

    Theis et al., Faster gaze prediction with dense networks and Fisher pruning, 2018,
    equation 6.
    """
    return 0.5 * np.diagonal(stats.groups[group].hessian("fisher"))


def obd(stats: Statistics, group: str) -> NDArray[np.float64]:
    """Give 1/2 H_ii, the rise of the loss by the diagonal of the Gauss-Newton.

    LeCun, Denker, Solla, Optimal brain damage, NIPS 1989, equation 5, for gates.
    """
    return 0.5 * np.diagonal(stats.groups[group].hessian("ggn"))


def _fisher_rows(stats: Statistics, group: str) -> NDArray[np.float64]:
    rows = stats.groups[group].fisher_rows
    if rows is None or len(rows) == 0:
        raise _missing(group, "fisher_rows")
    return rows.astype(np.float64)


def _missing(group: str, part: str) -> MissingStatistics:
    return MissingStatistics(
        f"groups/{group}: no {part} was collected; collect it or take another criterion"
    )
