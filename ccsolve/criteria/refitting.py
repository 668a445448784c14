"""One layer whose inputs go class by class while the rest is fitted again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidStatistics, MissingStatistics
from ccsolve.statistics import Layer, Statistics

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


@dataclass(eq=False)
class Refit:
    """The best map V of the columns that remain, and what it costs to lose more.

    With H the ridged covariance: `inverse` is that of H over the remaining columns,
    `map` is V R, where R Rᵀ = M. Rows and columns of classes that went are void.
    """

    columns: NDArray[np.int64]
    inverse: Array
    map: Array
    left: list[int] = field(default_factory=list)

    @classmethod
    def whole(cls, reader: Reader, ridge: float) -> "Refit":
        """Begin with all classes: the dense weights are the best map. O(d³)."""
        spread = float(np.trace(reader.covariance)) / len(reader.covariance)
        # Where no column varies none is worth anything, whatever the pull.
        pull = ridge * spread if spread > 0 else 1.0
        h = reader.covariance + pull * np.eye(len(reader.covariance))
        columns = reader.columns
        return cls(
            columns,
            np.linalg.inv(h),
            reader.weight @ _root(reader.curvature),
            list(range(len(columns))),
        )

    def rises(self) -> Array:
        """Give ½ tr(V_jᵀ (H⁻¹_jj)⁻¹ V_j M) for every class j, (size,).

        That is the rise of min over V ½ tr(M · E[εεᵀ]), if j went next; inf for
        classes that went. OSSCAR (Meng et al., ICML 2024) removes by the same.
        """
        columns = self.columns[self.left]
        parts = self.map[columns]
        blocks = self.inverse[columns[:, :, None], columns[:, None, :]]
        rises = np.full(len(self.columns), np.inf)
        rises[self.left] = 0.5 * np.sum(parts * np.linalg.solve(blocks, parts), (1, 2))
        return rises

    def remove(self, chosen: int) -> None:
        """Take a class away and fit the rest again, O(d² m)."""
        columns = self.columns[chosen]
        beside = self.inverse[:, columns]
        pull = np.linalg.solve(
            beside[columns], np.hstack([self.map[columns], beside.T])
        )
        n_out = self.map.shape[1]
        self.map -= beside @ pull[:, :n_out]
        self.inverse -= beside @ pull[:, n_out:]
        self.left.remove(chosen)


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
        columns=_columns(layer, group, size),
        weight=layer.weight.reshape(len(layer.weight), -1).T.astype(np.float64),
        moment=raw,
        covariance=raw - np.outer(centre, centre),
        curvature=curvature.astype(np.float64),
    )


def _columns(layer: Layer, group: str, size: int) -> NDArray[np.int64]:
    """Give the columns of every class, (size, m)."""
    classes = layer.inputs[group]
    counts = np.bincount(classes[classes >= 0], minlength=size)
    if counts.min() != counts.max():
        raise InvalidStatistics(
            f"layers/{layer.name}/inputs/{group}: {counts.min()} to {counts.max()} "
            "channels per class; expected as many of each"
        )
    channels = np.argsort(classes, kind="stable")[(classes < 0).sum() :]
    per_channel = layer.weight[0, 0].size
    columns = channels[:, None] * per_channel + np.arange(per_channel)
    return columns.reshape(size, -1)


def _root(curvature: Array) -> Array:
    """Give R with R Rᵀ = M, without the directions that M does not see."""
    values, vectors = np.linalg.eigh(0.5 * (curvature + curvature.T))
    seen = values > 1e-12 * values.max(initial=0.0)
    return vectors[:, seen] * np.sqrt(values[seen])
