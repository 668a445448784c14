"""One layer whose inputs go class by class while the rest is fitted again."""

from collections.abc import Iterator, Sequence
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

_ROUNDINGS = 64.0
"""Of the moments, below which a variance is none: sums over samples are off by more."""


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
    varies
        Whether any column does, beyond the rounding of the moments.
    """

    columns: NDArray[np.int64]
    weight: Array
    moment: Array
    covariance: Array
    curvature: Array
    varies: bool

    @property
    def worth(self) -> Array:
        """The map (d, n_out) that a refit has to make up for: a bias does constants."""
        return self.weight if self.varies else np.zeros_like(self.weight)

    def unfitted(self) -> float:
        """Give Σ_j tr(M W_jᵀ E[x_j x_jᵀ] W_j): twice the loss of each class alone."""
        parts = self.weight[self.columns]
        moments = self.moment[self.columns[:, :, None], self.columns[:, None, :]]
        return float(np.sum((moments @ parts) * (parts @ self.curvature)))


def comparable(stats: Statistics, group: str, layers: Sequence[Reader]) -> float:
    """Give the factor by which refits' losses of groups compare.

    The trace of the group's Gauss-Newton over Σ `Reader.unfitted`: with it both say the
    same, on average, of one class removed without a refit; 1 where nothing is lost.
    """
    unfitted = sum(layer.unfitted() for layer in layers)
    agreement = float(np.trace(stats.groups[group].hessian("ggn")))
    return agreement / unfitted if unfitted > 0 else 1.0


def removal_state(reader: Reader, ridge: float) -> Sweep:
    """Give the matrices of the least squares with all classes, which are its blocks.

    With H the ridged covariance and R Rᵀ = M, its prices are what the removal of a
    class raises min over V ½ tr(M · E[εεᵀ]) by: OSSCAR (Meng et al., ICML 2024) removes
    by the same. Columns of other groups stay and are eliminated. O(d³).
    """
    h = ridged(reader, ridge)
    own = reader.worth[reader.columns.ravel()]
    target = h @ through_root(own, reader.curvature)
    return sweep(h, target, np.ones(len(reader.columns), dtype=bool))


def ridged(reader: Reader, ridge: float) -> Array:
    """Give the ridged covariance of the classes' columns, other columns eliminated.

    See `regular`. O(d³).
    """
    return schur_complement(regular(reader, ridge), reader.columns.ravel())


def regular(reader: Reader, ridge: float) -> Array:
    """Give the ridged covariance of all columns, (d, d).

    The ridge is in units of the mean variance. Where rounding of the moments left
    negative eigenvalues beyond half of it, the least is made up for. Positive definite,
    the identity where nothing varies; O(d³).
    """
    d = len(reader.covariance)
    if not reader.varies:
        return np.eye(d)
    pull = ridge * float(np.trace(reader.covariance)) / d
    try:
        np.linalg.cholesky(reader.covariance + 0.5 * pull * np.eye(d))
    except np.linalg.LinAlgError:
        pull += max(0.0, -float(np.linalg.eigvalsh(reader.covariance)[0]))
    return reader.covariance + pull * np.eye(d)


def readers(stats: Statistics, group: str) -> Iterator[Reader]:
    """Give the layers that read the group; their moments have to be there."""
    found = [layer for layer in stats.layers.values() if group in layer.inputs]
    if not found:
        raise MissingStatistics(
            f"groups/{group}: no layer that reads it was exported; collect with "
            "layers='moments'"
        )
    for layer in found:
        if layer.output_curvature is None:
            raise _missing(layer)
        yield reader_of(layer, group, stats.groups[group].size, layer.output_curvature)


def refittable(stats: Statistics) -> bool:
    """Say whether every group has layers that read it, all with their moments."""
    found = {
        group: [layer for layer in stats.layers.values() if group in layer.inputs]
        for group in stats.groups
    }
    return all(found.values()) and all(
        part is not None
        for layer in stats.layers.values()
        if set(layer.inputs) & set(found)
        for part in (layer.output_curvature, layer.input_moment, layer.input_mean)
    )


def _missing(layer: Layer) -> MissingStatistics:
    return MissingStatistics(
        f"layers/{layer.name}: no input moments or no output curvature; collect "
        "with layers='moments' (a grouped convolution has none: take another "
        "criterion)"
    )


def reader_of(layer: Layer, group: str, size: int, curvature: Array) -> Reader:
    """Give a layer that reads a group of this size, its outputs weighted by a matrix.

    MissingStatistics if its moments are not there.
    """
    return reader_with(layer, class_columns(layer, group, size), curvature)


def reader_with(layer: Layer, columns: NDArray[np.int64], curvature: Array) -> Reader:
    """Give a layer with the columns of any classes, such as none.

    MissingStatistics if its moments are not there.
    """
    moment, mean = layer.input_moment, layer.input_mean
    if moment is None or mean is None:
        raise _missing(layer)
    raw, centre = moment.astype(np.float64), mean.astype(np.float64)
    covariance = raw - np.outer(centre, centre)
    eps = float(np.finfo(np.result_type(moment, mean, np.float16)).eps)
    return Reader(
        columns=columns,
        weight=layer.weight.reshape(len(layer.weight), -1).T.astype(np.float64),
        moment=raw,
        covariance=covariance,
        curvature=curvature.astype(np.float64),
        varies=bool(np.trace(covariance) > _ROUNDINGS * eps * np.trace(raw)),
    )
