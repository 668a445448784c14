"""Groups of channels whose filters are fused together, layer by layer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ccsolve.errors import Unsupported
from ccsolve.recipes.dcff import Fusion, by_class, fusion
from ccsolve_torch.factoring.candidates import checked_layers
from ccsolve_torch.fusing.fused_layers import CONVOLUTIONS, FusedFilters
from ccsolve_torch.graph import Graph, Site

Classes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FusedGroup:
    """A group: how many classes it has, and which classes its layers' filters are.

    `layers` gives by the name of each layer the class of all its n filters, -1 for
    those of no class of this group.
    """

    name: str
    size: int
    layers: Mapping[str, Classes]

    def kept(self, model: nn.Module) -> Classes:
        """Give the classes that the model keeps, ascending."""
        name, classes = next(iter(self.layers.items()))
        held = classes[layer_at(model, name).kept.cpu().numpy()]
        return np.unique(held[held >= 0])

    def filters(self, model: nn.Module) -> NDArray[np.float64]:
        """Give (size, d): by class, the filters of all layers as they are by now."""
        parts = [
            by_class(_filters(layer_at(model, name)), classes, self.size)
            for name, classes in self.layers.items()
        ]
        return np.concatenate(parts, axis=1)

    def choose(self, model: nn.Module, temperature: float) -> Fusion:
        """Give as many filters as the model keeps, of those it holds, and their fusion.

        What is kept so far stays where nothing sets filters apart.
        """
        before = self.kept(model)
        return fusion(self.filters(model), len(before), temperature, before=before)

    @torch.no_grad()
    def put(self, model: nn.Module, matrix: Any, keep: Classes) -> None:
        """Let the layers keep these classes, made by the rows of the matrix (m, n)."""
        before = self.kept(model)
        for name, classes in self.layers.items():
            layer = layer_at(model, name)
            # Which rows are the group's, where their classes stand among those that
            # were kept, and which channel of its class each row is.
            now = layer.kept.cpu().numpy()
            mine = np.flatnonzero(classes[now] >= 0)
            held, table = classes[now[mine]], _table(classes, self.size)
            place = np.searchsorted(before, held)
            part = (table[held] == now[mine, None]).argmax(axis=1)
            rows = np.zeros((len(mine), len(classes)))
            rows[np.arange(len(mine))[:, None], table[:, part].T] = matrix[place]
            index = torch.from_numpy(mine).to(layer.kept.device)
            layer.matrix[index] = torch.from_numpy(rows).to(layer.matrix)
            layer.kept[index] = torch.from_numpy(table[keep[place], part]).to(index)


def layer_at(model: nn.Module, name: str) -> FusedFilters:
    """Give the layer; Unsupported where the model has another one there."""
    found = dict(model.named_modules()).get(name)
    if not isinstance(found, FusedFilters):
        raise Unsupported(
            f"layer {name}: is no layer of fused filters any more; expected the model "
            "that fuse gave, trained and not rebuilt"
        )
    return found


def fused_groups(
    model: nn.Module, small: nn.Module, graph: Graph, keep: Mapping[str, Classes]
) -> Iterator[FusedGroup]:
    """Give the groups that lost classes and have layers that can fuse filters."""
    for name, group in graph.groups.items():
        if len(keep[name]) < group.size:
            layers = {
                site.name: site.outputs[name]
                for site in graph.layers.values()
                if name in site.outputs and can_fuse(model, small, site)
            }
            if layers:
                yield FusedGroup(name, group.size, layers)


def can_fuse(model: nn.Module, small: nn.Module, site: Site) -> bool:
    """Say whether the layer is a plain one, whole in both models, that mixes inputs."""
    plain = (*CONVOLUTIONS, nn.Linear)
    both = [dict(each.named_modules()).get(site.name) for each in (model, small)]
    if site.groups != 1 or any(type(layer) not in plain for layer in both):
        return False
    try:
        checked_layers(model, [site.name])
    except Unsupported:  # tied, computed or hooked: it is cut, and not fused
        return False
    return True


def _filters(layer: FusedFilters) -> Any:
    """Give the n filters that the layer holds, one a row."""
    return layer.filters.detach().flatten(1).double().cpu().numpy()


def _table(classes: Classes, size: int) -> Classes:
    """Give (size, channels per class): which filters each class has."""
    held = np.flatnonzero(classes >= 0)
    return held[np.argsort(classes[held], kind="stable")].reshape(size, -1)
