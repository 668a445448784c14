"""The program of a group: which classes to keep when all that read them are refitted.

With x the columns that a reader unfolds, y = W₀ᵀx its outputs and g the gradient of the
loss in them, it is CPLI's (Guo, Ouyang, Xu, AAAI 2020), as derived:

    ½ Σ over readers of  min over W, b  E‖(y - s·g - Wᵀx - b) D^½‖²

with W = 0 outside the columns of the classes kept.

The target is one step of gradient descent from y. E[x gᵀ] over positions is the mean
gradient of the loss in the weights over the number of positions, so that the shift of
the cross moments is known without a further pass. Moments are centred, for the bias:
E[g] is the mean gradient in the outputs over the same number.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.refitting import Reader, reader_of, regular
from ccsolve.errors import MissingStatistics
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import real_number
from ccsolve.recipes.reconstructing.features import Classes, output_weights
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]


class Model(NamedTuple):
    """What is reconstructed.

    Attributes
    ----------
    importance : what outputs are worth, see `output_weights`.
    guide : ≥ 0, the size of the shift s·Cov(x, g) of the cross moments, as a share of
        theirs, in Frobenius norms: it says how long the step s is.
    ridge : pulls to the dense weights, in units of the columns' mean variance.
    """

    importance: str
    guide: float
    ridge: float


class Part(NamedTuple):
    """A reader and by what the cross moments of all its columns are shifted."""

    reader: Reader
    weights: Array
    shift: Array | None


def parts_of(
    stats: Statistics, group: str, model: Model, staying: Classes
) -> list[Part]:
    """Give the layers that read a group; MissingStatistics if there is none."""
    found = [layer for layer in stats.layers.values() if group in layer.inputs]
    if not found:
        raise MissingStatistics(
            f"groups/{group}: no layer that reads it was exported; collect with "
            "layers='moments'"
        )
    return [_part(stats, layer, group, model, staying) for layer in found]


def _part(
    stats: Statistics, layer: Layer, group: str, model: Model, staying: Classes
) -> Part:
    weights = output_weights(stats, layer, model.importance, staying)
    full = np.diag(weights) if weights.ndim == 1 else weights
    reader = reader_of(layer, group, stats.groups[group].size, full)
    guide = real_number("guide", model.guide, 0.0)
    shift = guide * _shift(layer, reader) if guide > 0 else None
    return Part(reader, weights, shift)


def _shift(layer: Layer, reader: Reader) -> Array:
    """Give Cov(x, g), (d, n_out), as long as the cross moments Cov(x, y).

    The number of positions of E[x gᵀ] and of E[g] cancels.
    """
    if layer.gradient is None or layer.output_gradient is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no mean gradient of its weights, or of its outputs; "
            "collect with layers='moments', or give guide=0"
        )
    gradient, mean = layer.gradient.astype(np.float64), layer.input_mean
    assert mean is not None  # the reader has moments
    shift = gradient.reshape(len(gradient), -1).T
    shift = shift - np.outer(mean, layer.output_gradient)
    length = float(np.linalg.norm(shift))
    cross = float(np.linalg.norm(reader.covariance @ reader.weight))
    return shift * (cross / length if length > 0 else 0.0)


def program_of(
    parts: Sequence[Part], keep: int, ridge: float
) -> ReconstructionSelection:
    """Give one program for all readers: their columns side by side in each class.

    Columns of other groups stay; they are fitted as well, and are eliminated. The
    constant is such that keeping all costs nothing. O(d³).
    """
    size = len(parts[0].reader.columns)
    widths = [part.reader.columns.shape[1] for part in parts]
    outputs = [len(part.weights) for part in parts]
    d, n_out = size * sum(widths), sum(outputs)
    H, G, W0 = np.zeros((d, d)), np.zeros((d, n_out)), np.zeros((d, n_out))
    at = np.split(np.arange(d).reshape(size, -1), np.cumsum(widths)[:-1], axis=1)
    ends = np.split(np.arange(n_out), np.cumsum(outputs)[:-1])
    for part, columns, end in zip(parts, at, ends, strict=True):
        own = columns.ravel()
        block, cross = _own_moments(part, ridge)
        H[np.ix_(own, own)], G[np.ix_(own, end)] = block, cross
        W0[np.ix_(own, end)] = part.reader.worth[part.reader.columns.ravel()]
    return ReconstructionSelection.from_layer(
        H, W0, keep, group=sum(widths), cross=G, weights=_together(parts)
    )


def _own_moments(part: Part, ridge: float) -> tuple[Array, Array]:
    """Give H and G of the group's columns, those of other groups eliminated."""
    reader = part.reader
    own = reader.columns.ravel()
    rest = np.setdiff1d(np.arange(len(reader.covariance)), own)
    H = regular(reader, ridge)
    shift = part.shift if reader.varies else None
    G = H @ reader.worth if shift is None else H @ reader.worth - shift
    if not len(rest):
        return H[np.ix_(own, own)], G[own]
    # Without a ridge the block may be singular.
    map_ = np.linalg.lstsq(H[np.ix_(rest, rest)], H[np.ix_(rest, own)], rcond=None)[0]
    block = H[np.ix_(own, own)] - H[np.ix_(own, rest)] @ map_
    return 0.5 * (block + block.T), G[own] - map_.T @ G[rest]


def _together(parts: Sequence[Part]) -> Array:
    """Give M of all readers' outputs: a diagonal if all of them are."""
    if all(part.weights.ndim == 1 for part in parts):
        return np.concatenate([part.weights for part in parts])
    counts = [len(part.weights) for part in parts]
    M = np.zeros((sum(counts), sum(counts)))
    ends = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
    for part, end in zip(parts, ends, strict=True):
        M[np.ix_(end, end)] = part.reader.curvature
    return M
