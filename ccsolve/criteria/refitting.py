"""One layer whose inputs go class by class while the rest is fitted again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import MissingStatistics
from ccsolve.linalg.elimination import schur_complement
from ccsolve.linalg.sweeping import Sweep, sweep
from ccsolve.problems.output_weights import through_root
from ccsolve.statistics import Layer, Statistics
from ccsolve.statistics.programs import class_columns

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Reader:
    """A layer that reads a group, in the d columns of its unfolded input.

    Parameters
    ----------
    columns
        (size, m): the columns of every class.
    weight
        (d, n_out), the dense map.
    moment, covariance
        (d, d) of the columns, raw and centred.
    curvature
        (n_out, n_out) Gauss-Newton M of the loss in the outputs.
    """

    columns: NDArray[np.int64]
    weight: Array
    moment: Array
    covariance: Array
    curvature: Array

    def unfitted(self) -> float:
        """Give Σ_j tr(M W_jᵀ E[x_j x_jᵀ] W_j): twice the loss of each class alone."""
        parts = self.weight[self.columns]
        moments = self.moment[self.columns[:, :, None], self.columns[:, None, :]]
        return float(np.sum((moments @ parts) * (parts @ self.curvature)))


def removal_state(reader: Reader, ridge: float) -> Sweep:
    """Give the matrices of the least squares with all classes, which are its blocks.

    With H the ridged covariance and R Rᵀ = M, its prices are what the removal of a
    class raises min over V ½ tr(M · E[εεᵀ]) by: OSSCAR (Meng et al., ICML 2024) removes
    by the same. Columns of other groups stay and are eliminated. O(d³).
    """
    spread = float(np.trace(reader.covariance)) / len(reader.covariance)
    # Where no column varies none is worth anything, whatever the pull.
    pull = ridge * spread if spread > 0 else 1.0
    own = reader.columns.ravel()
    h = reader.covariance + pull * np.eye(len(reader.covariance))
    h = schur_complement(h, own)
    target = h @ through_root(reader.weight[own], reader.curvature)
    return sweep(h, target, np.ones(len(reader.columns), dtype=bool))


def readers(stats: Statistics, group: str) -> Iterator[Reader]:
    """Give the layers that read the group; their moments have to be there."""
    found = [layer for layer in stats.layers.values() if group in layer.inputs]
    if not found:
        raise MissingStatistics(
            f"groups/{group}: no layer that reads it was exported; collect with "
            "layers='moments'"
        )
    for layer in found:
        yield _reader(layer, group, stats.groups[group].size)


def _reader(layer: Layer, group: str, size: int) -> Reader:
    moment, mean = layer.input_moment, layer.input_mean
    curvature = layer.output_curvature
    if moment is None or mean is None or curvature is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no input moments or no output curvature; collect "
            "with layers='moments' (a grouped convolution has none: take another "
            "criterion)"
        )
    raw, centre = moment.astype(np.float64), mean.astype(np.float64)
    return Reader(
        columns=class_columns(layer, group, size),
        weight=layer.weight.reshape(len(layer.weight), -1).T.astype(np.float64),
        moment=raw,
        covariance=raw - np.outer(centre, centre),
        curvature=curvature.astype(np.float64),
    )
