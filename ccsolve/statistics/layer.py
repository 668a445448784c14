"""One convolution or linear map: weights, moments and where its channels belong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from ccsolve.errors import InvalidStatistics
from ccsolve.problems.records import reduced
from ccsolve.statistics.arrays import (
    Array,
    check_name,
    class_map,
    optional,
    real_array,
    symmetric,
)

KINDS = ("conv", "linear", "conv_transpose")


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution or linear map y = W x + bias, and the moments of its input.

    d = n_in * prod(kernel) is the length of one unfolded input patch of a filter,
    channel-major: channel first, then kernel position. Moments are raw (not
    centred), per output position. A grouped convolution has one moment per weight
    group, which this layout does not hold: it ships without moments.

    Parameters
    ----------
    name, kind
        The module's name; "conv", "linear" or "conv_transpose". A transposed
        convolution is written as the plain one that it is on an input with zeros
        between its entries: weight, gradient and moments are of that one.
    weight, bias, gradient
        (n_out, n_in of one filter, *kernel), (n_out,), and the mean gradient of
        the loss in the weight.
    input_mean, output_mean
        (d,) E[x] and (n_out,) E[y].
    input_moment, cross_moment
        (d, d) E[x x^T] and (d, n_out) E[x y^T], with y the dense network's output
        without bias (residual-corrected where the layer feeds a sum).
    output_curvature
        (n_out, n_out) Gauss-Newton of the loss in the layer's outputs, summed over
        positions, mean over samples.
    output_gradient
        (n_out,) gradient of the loss in the layer's outputs, summed over positions,
        mean over samples: what the mean gradient of a bias is.
    inputs, outputs
        Group name -> (n_in,) or (n_out,) class of every channel, -1 where the
        channel belongs to another group or none. A concatenation names several
        groups; a flattened input repeats each class.
    """

    name: str
    kind: str
    weight: Array
    bias: Array | None = None
    gradient: Array | None = None
    input_mean: Array | None = None
    output_mean: Array | None = None
    input_moment: Array | None = None
    cross_moment: Array | None = None
    output_curvature: Array | None = None
    output_gradient: Array | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check every part once; raise InvalidStatistics on the first misfit."""
        where = f"layers/{check_name(self.name, 'layers')}"
        weight = _weight(self.weight, self.kind, where)
        n_out, n_in = weight.shape[:2]
        d = n_in * int(np.prod(weight.shape[2:]))
        parts = {
            "weight": weight,
            "bias": optional(self.bias, f"{where}/bias", (n_out,)),
            "gradient": optional(self.gradient, f"{where}/gradient", weight.shape),
            "input_mean": optional(self.input_mean, f"{where}/input_mean", (d,)),
            "output_mean": optional(self.output_mean, f"{where}/output_mean", (n_out,)),
            "input_moment": symmetric(self.input_moment, f"{where}/input_moment", d),
            "cross_moment": optional(
                self.cross_moment, f"{where}/cross_moment", (d, n_out)
            ),
            "output_curvature": symmetric(
                self.output_curvature, f"{where}/output_curvature", n_out
            ),
            "output_gradient": optional(
                self.output_gradient, f"{where}/output_gradient", (n_out,)
            ),
            "inputs": _class_maps(self.inputs, f"{where}/inputs"),
            "outputs": _class_maps(self.outputs, f"{where}/outputs"),
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)
        _check_lengths(self, where)


def _weight(value: object, kind: str, where: str) -> Array:
    if kind not in KINDS:
        raise InvalidStatistics(f"{where}: kind {kind!r}; expected {', '.join(KINDS)}")
    axes = np.ndim(value)  # pyright: ignore[reportArgumentType]
    least = 2 if kind == "linear" else 3
    if axes < least or (kind == "linear" and axes != 2):
        raise InvalidStatistics(
            f"{where}/weight: {axes} axes; expected {least}"
            f"{'' if kind == 'linear' else ' or more'} for a {kind} layer"
        )
    weight = real_array(value, f"{where}/weight", (None,) * axes)
    if weight.size == 0:
        raise InvalidStatistics(
            f"{where}/weight: shape {weight.shape}; expected no empty axis"
        )
    return weight


def _class_maps(maps: Mapping[str, Any], where: str) -> Mapping[str, Array]:
    checked = {
        name: class_map(value, f"{where}/{check_name(name, where)}")
        for name, value in maps.items()
    }
    return MappingProxyType(checked)


def _check_lengths(layer: Layer, where: str) -> None:
    """Check that each side's maps have one length and claim a channel once."""
    n_out, n_in = layer.weight.shape[:2]
    for side, maps in (("inputs", layer.inputs), ("outputs", layer.outputs)):
        lengths = {len(classes) for classes in maps.values()}
        fits = all(
            length == n_out
            if side == "outputs"
            else length == n_in or (layer.kind != "linear" and length % n_in == 0)
            for length in lengths
        )
        if len(lengths) > 1 or not fits:
            wanted = n_out if side == "outputs" else n_in
            raise InvalidStatistics(
                f"{where}/{side}: lengths {sorted(lengths)}; expected {wanted} each"
            )
        if len(maps) > 1 and (_owners(maps) > 1).any():
            raise InvalidStatistics(
                f"{where}/{side}: a channel belongs to two groups; expected at most one"
            )


def _owners(maps: Mapping[str, Array]) -> Array:
    """Give how many groups claim each channel."""
    return np.sum([classes >= 0 for classes in maps.values()], axis=0)
