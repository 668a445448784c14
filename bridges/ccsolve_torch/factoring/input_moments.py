"""The input moments of layers, measured by running calibration samples."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.factors import Factor
from ccsolve_torch.factoring.candidates import checked_layers
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.columns import inputs_at, position_count
from ccsolve_torch.running.state import Loader, batches, evaluating

Array = NDArray[Any]


def one_group(layer: nn.Module) -> bool:
    """Say whether one matrix of moments is that of all the layer's outputs."""
    grouped = getattr(layer, "groups", 1) != 1
    return not grouped and not getattr(layer, "transposed", False)


def weighable(layer: nn.Module, factor: Factor) -> bool:
    """Say whether the fit of this layer can be weighted by its input moment."""
    return one_group(layer) and factor.format == "svd" and factor.split == "channel"


def measured_moments(
    model: nn.Module, factors: Mapping[str, Factor], loader: Loader
) -> dict[str, Array]:
    """Give the moments of the layers that are weighable, see `moments_at`.

    Errors as of `checked_layers`.
    """
    checked_layers(model, factors)
    names = [
        name
        for name, factor in factors.items()
        if weighable(model.get_submodule(name), factor)
    ]
    return moments_at(model, names, loader)


def moments_at(
    model: nn.Module, names: Collection[str], loader: Loader
) -> dict[str, Array]:
    """Give E[xxᵀ], (d, d) over all output positions, of layers of one group.

    The columns x are channel-major, as the weight's. The model runs in evaluation mode
    once over the loader's inputs; its targets are not used. Takes d² · 8 bytes per
    layer, and a product with as many multiplications per position as one with a layer
    of d outputs.
    """
    layers = {f"{name}.weight": name for name in names}
    if not layers:
        return {}
    sums: dict[str, Any] = dict.fromkeys(layers.values(), 0.0)
    rows = dict.fromkeys(layers.values(), 0)

    def see(call: Call, y: Tensor) -> None:
        name = layers[call.weight]
        weight: Any = model.get_submodule(name).weight
        for columns in inputs_at(call, weight, torch.arange(position_count(call, y))):
            exact = columns[0].double()
            sums[name] = sums[name] + (exact.T @ exact).cpu().numpy()
            rows[name] += len(exact)

    with torch.no_grad(), evaluating(model):
        for inputs, _ in batches(model, loader):
            with layer_calls(model, layers, after=see):
                model(*inputs)
    return {name: np.asarray(sums[name]) / rows[name] for name in sums if rows[name]}
