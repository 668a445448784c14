"""Sums over samples: factor rows, activations, and the moments of layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.statistics import Layer
from ccsolve_torch.gates import Readings, by_class
from ccsolve_torch.graph import Coupling, Graph, Site
from ccsolve_torch.patches import drawn, is_convolution, patches, position_count

Array = NDArray[Any]


@dataclass
class Rows:
    """Factor rows of all groups, folded into the blocks rowsᵀrows beyond `most` rows.

    Rows stay float32, blocks are summed in float64. Rows of all groups are folded
    together, so that what is left is aligned.
    """

    most: int
    count: int = 0
    folded: bool = False
    parts: dict[str, list[Array]] = field(default_factory=dict)
    blocks: dict[str, Array] = field(default_factory=dict)

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Take the (n, size) rows of every group."""
        for name, values in rows.items():
            self.parts.setdefault(name, []).append(values.float().cpu().numpy())
            self.blocks.setdefault(name, np.zeros((values.shape[1],) * 2))
        self.count += len(next(iter(rows.values())))
        self.folded = self.folded or self.count > self.most
        if self.folded:
            self._fold()

    def _fold(self) -> None:
        for name, parts in self.parts.items():
            for part in parts:
                exact = part.astype(np.float64)
                self.blocks[name] += exact.T @ exact
            parts.clear()

    def of(self, name: str, samples: int, curvature: str) -> dict[str, Array]:
        """Give the group's `Group` fields: the rows / √samples, or block / samples."""
        if self.folded:
            return {curvature: self.blocks[name] / samples}
        rows = np.concatenate(self.parts[name]) / np.float32(samples**0.5)
        return {f"{curvature}_rows": rows}


@dataclass
class Activations:
    """Means over samples and positions of what is read at the gates of a group."""

    group: Coupling
    samples: int = 0
    sums: dict[str, Array] = field(default_factory=dict)

    def add(self, readings: Readings) -> None:
        """Take the tensors read at the group's gates; the first reader counts."""
        first = self.group.consumers[0]
        z = readings[self.group.name, first.module].detach()
        alone = Coupling(self.group.name, self.group.size, (), (first,))
        per_class = z.numel() / (len(z) * self.group.size)
        kinds = {
            "mean": z,
            "mean_abs": z.abs(),
            "mean_square": z.square(),
            "zero_fraction": (z == 0).to(z.dtype),
        }
        for kind, values in kinds.items():
            sums = by_class(alone, {(self.group.name, first.module): values})
            total = sums.double().sum(dim=0).cpu().numpy() / per_class
            self.sums[kind] = self.sums.get(kind, 0.0) + total
        self.samples += len(z)

    def means(self) -> dict[str, Array]:
        """Give the means, (size,) each."""
        return {kind: total / self.samples for kind, total in self.sums.items()}


@dataclass
class LayerMoments:
    """Moments of one layer's input, its mean gradient, its output curvature."""

    site: Site
    module: nn.Module
    places: int | None
    generator: torch.Generator
    rows: int = 0
    samples: int = 0
    first: Array | float = 0.0
    second: Array | float = 0.0
    gradient: Array | float = 0.0
    curvature: Array | float = 0.0

    def add_input(self, x: Tensor, y: Tensor) -> None:
        """Take the layer's input, at all or some of the positions of its output."""
        chosen, count = None, position_count(self.module, y)
        if self.places is not None and self.places < count:
            chosen = drawn(count, self.places, self.generator)
        for columns in patches(self.module, x.detach(), chosen):
            exact = columns.double()
            self.first = self.first + exact.sum(dim=0).cpu().numpy()
            self.second = self.second + (exact.T @ exact).cpu().numpy()
            self.rows += len(exact)
        self.samples += len(x)

    def add_gradient(self, gradient: Tensor) -> None:
        """Take the gradient of the summed loss in the weight."""
        self.gradient = self.gradient + gradient.double().cpu().numpy()

    def add_curvature(self, gradient: Tensor) -> None:
        """Take one direction's gradients in the outputs: add Σ g gᵀ over positions."""
        axis = 1 if is_convolution(self.module) else -1
        flat = gradient.movedim(axis, 0).flatten(1).double()
        self.curvature = self.curvature + (flat @ flat.T).cpu().numpy()

    def layer(self, curved: bool) -> Layer:
        """Give the `Layer`, with its curvature where one was collected."""
        # The dense output without bias is W x: the output moments follow exactly.
        bare = weights_of(self.site, self.module)
        flat = bare.weight.reshape(len(bare.weight), -1).astype(np.float64)
        mean, moment = self.first / self.rows, self.second / self.rows
        return replace(
            bare,
            gradient=self.gradient / self.samples,
            input_mean=mean,
            output_mean=flat @ mean,
            input_moment=moment,
            cross_moment=moment @ flat.T,
            output_curvature=self.curvature / self.samples if curved else None,
        )


def weights_of(site: Site, module: nn.Module) -> Layer:
    """Give the `Layer` of a module: weight, bias, and the groups of its channels."""
    tensors: dict[str, Any] = {"weight": module.weight, "bias": module.bias}
    values: dict[str, Any] = {
        name: None if value is None else value.detach().float().cpu().numpy()
        for name, value in tensors.items()
    }
    return Layer(
        site.name, site.kind, inputs=site.inputs, outputs=site.outputs, **values
    )


def moments_of(
    model: nn.Module, graph: Graph, places: int | None, generator: torch.Generator
) -> dict[str, LayerMoments]:
    """Give empty moments for every layer of the graph."""
    return {
        name: LayerMoments(site, model.get_submodule(name), places, generator)
        for name, site in graph.layers.items()
    }
