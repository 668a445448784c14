"""Moments of the layers' inputs, mean gradients of weights, curvature of outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccsolve.errors import InvalidProblem
from ccsolve.statistics import Layer
from ccsolve_torch.collecting.pooling import summed
from ccsolve_torch.graph import Graph, Site, check_layers
from ccsolve_torch.running.calls import Call
from ccsolve_torch.running.columns import (
    as_matrices,
    drawn,
    inputs_at,
    position_count,
)
from ccsolve_torch.running.precision import gram, widened

Array = NDArray[Any]

LEVELS = ("none", "weights", "gradients", "moments")
"""What is held of a layer; each level holds the ones before."""

Levels = str | Mapping[str, str]


@dataclass
class LayerSums:
    """What is summed of one layer."""

    site: Site
    weight: Tensor
    bias: Tensor | None
    places: int | None
    generator: torch.Generator
    curved: bool
    rows: int = 0
    first: Tensor | None = None
    second: Tensor | None = None
    gradient: Tensor | None = None
    curvature: Tensor | None = None
    slope: Tensor | None = None

    def add_input(self, call: Call, y: Tensor, samples: int) -> None:
        """Take the layer's input, at all or some of the positions of its output."""
        places = self._drawn(position_count(call, y), call, samples)
        for columns in inputs_at(call, self.weight.detach(), places):
            # One weight group: grouped convolutions are summed without moments.
            x = widened(columns[0].detach())
            if self.first is None or self.second is None:
                d = x.shape[1]
                self.first = x.new_zeros(d, dtype=torch.float64)
                self.second = x.new_zeros(d, d, dtype=torch.float64)
            self.first += x.sum(dim=0)
            self.second += gram(x.T)
            self.rows += len(x)

    def add_gradient(self, gradient: Tensor) -> None:
        """Take the gradient of the summed loss in the weight."""
        if self.gradient is None:
            self.gradient = torch.zeros_like(gradient, dtype=torch.float64)
        self.gradient += gradient

    def add_slope(self, gradient: Tensor) -> None:
        """Take the gradient of the summed loss in the outputs of a call."""
        axis = -1 if self.site.kind == "linear" else 1
        total = gradient.detach().movedim(axis, 0).flatten(1).double().sum(dim=1)
        self.slope = total if self.slope is None else self.slope + total

    def add_curvature(self, gradient: Tensor) -> None:
        """Take one direction's gradients in the outputs: add Σ g gᵀ over positions."""
        axis = -1 if self.site.kind == "linear" else 1
        flat = gradient.detach().movedim(axis, 0).flatten(1)
        if self.curvature is None:
            count = len(flat)
            self.curvature = flat.new_zeros(count, count, dtype=torch.float64)
        self.curvature += gram(flat)

    def pool(self, device: torch.device) -> None:
        """Add the sums of all processes; a collective call."""
        for name in ("first", "second", "gradient", "curvature", "slope"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, summed(value, device))
        self.rows = int(summed(torch.tensor(self.rows), device))

    def layer(self, samples: int) -> Layer:
        """Give the `Layer`, with what was summed; the sums are used up."""
        return replace(
            layer_of(self.site, self.weight, self.bias),
            gradient=self._mean_gradient(samples),
            output_curvature=_mean(self.curvature, samples),
            output_gradient=_mean(self.slope, samples),
            **self._moments(),
        )

    def _drawn(self, count: int, call: Call, samples: int) -> Tensor:
        """Give places of a linear map among the rows of all samples, as they come."""
        wanted = self.places
        if wanted is not None and call.kind == "linear":
            wanted *= samples
        return drawn(count, wanted, self.generator)

    def _mean_gradient(self, samples: int) -> Array | None:
        gradient, self.gradient = self.gradient, None
        if gradient is None:
            return None
        return _mean(_canonical(self.site, gradient), samples)

    def _moments(self) -> dict[str, Array]:
        first, second = self.first, self.second
        self.first = self.second = None
        if first is None or second is None:
            return {}
        # The dense output without bias is W x: the output moments follow exactly.
        flat = _canonical(self.site, self.weight.detach().double()).flatten(1)
        mean, moment = first / self.rows, second.div_(self.rows)
        return {
            "input_mean": _array(mean),
            "output_mean": _array(flat @ mean),
            "cross_moment": _array(moment @ flat.T),
            "input_moment": _array(moment),
        }


def layer_sums(
    graph: Graph,
    parameters: Mapping[str, Tensor],
    levels: Mapping[str, str],
    places: int | None,
    generator: torch.Generator,
    *,
    curved: bool,
) -> dict[str, LayerSums]:
    """Give empty sums, by the names of weights, for all layers above "weights"."""
    sums = {}
    for name, site in graph.layers.items():
        if levels[name] in ("gradients", "moments"):
            bias = None if site.bias is None else parameters[site.bias]
            sums[site.weight] = LayerSums(
                site,
                parameters[site.weight],
                bias,
                places,
                generator,
                curved and levels[name] == "moments",
            )
    return sums


def layer_of(site: Site, weight: Tensor, bias: Tensor | None) -> Layer:
    """Give the `Layer` of a site: weight, bias, and the groups of its channels.

    The weight of a transposed convolution is given as that of the plain convolution
    it is on an input with zeros between its entries.
    """
    tensors = {"weight": _canonical(site, weight.detach()), "bias": bias}
    values: dict[str, Any] = {
        # `Layer` copies what can be written: the model's memory is not shared.
        name: None if value is None else value.detach().float().cpu().numpy()
        for name, value in tensors.items()
    }
    return Layer(
        site.title, site.kind, inputs=site.inputs, outputs=site.outputs, **values
    )


def chosen_levels(layers: Levels, graph: Graph) -> dict[str, str]:
    """Give the level of every layer; those that a mapping leaves out have "weights"."""
    if isinstance(layers, str):
        given = dict.fromkeys(graph.layers, layers)
    else:
        check_layers(graph, layers)
        given = dict.fromkeys(graph.layers, "weights") | dict(layers)
    return given


def check_memory(
    graph: Graph,
    parameters: Mapping[str, Tensor],
    levels: Mapping[str, str],
    limit: float,
) -> None:
    """Raise InvalidProblem if the sums of layers would take more bytes than `limit`."""
    sizes = {
        name: layer_bytes(site, parameters[site.weight], levels[name])
        for name, site in graph.layers.items()
    }
    total = sum(sizes.values())
    if total > limit:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        shown = ", ".join(f"{name} {sizes[name] / 1e9:.3g}" for name in largest)
        raise InvalidProblem(
            f"layers: the sums take {total / 1e9:.3g} GB ({shown}, ...), allowed are "
            f"{limit / 1e9:.3g} GB; choose layers with layers={{name: 'moments'}}, or "
            f"raise max_bytes"
        )


def layer_bytes(site: Site, weight: Tensor, level: str) -> int:
    """Give the bytes of what is summed of one layer, in float64.

    "gradients": one number per weight. "moments": d² + d · n_out + n_out² besides, d
    the inputs of one output.
    """
    numbers = weight.numel() if level in ("gradients", "moments") else 0
    if level == "moments" and site.groups == 1:
        n_out = weight.shape[1 if site.kind == "conv_transpose" else 0]
        d = weight.numel() // n_out
        numbers += d * d + d * n_out + n_out * n_out
    return 8 * numbers


def _canonical(site: Site, weight: Tensor) -> Tensor:
    """Give (n_out, n_in of one filter, *kernel), whatever the kind of layer."""
    if site.kind != "conv_transpose":
        return weight
    matrices = as_matrices(weight, site.kind, site.groups)
    flat = matrices.flatten(0, 1)
    return flat.reshape(len(flat), -1, *weight.shape[2:])


def _mean(total: Tensor | None, samples: int) -> Array | None:
    return None if total is None else _array(total / samples)


def _array(value: Tensor) -> Array:
    """Give a read-only array, so that `Layer` need not copy it."""
    array = np.ascontiguousarray(value.cpu().numpy())
    array.flags.writeable = False
    return array
