"""Weights of bounded ranks for the chains of a plan, by ADMM on measured moments."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from torch import nn

from ccsolve.factors import Factor
from ccsolve.recipes.admm.fit import fit_weight
from ccsolve_torch.factoring.candidates import checked_layers
from ccsolve_torch.factoring.input_moments import moments_at, one_group
from ccsolve_torch.running.state import Loader

Array = NDArray[Any]


def admm_weights(
    model: nn.Module, factors: Mapping[str, Factor], loader: Loader
) -> dict[str, Array]:
    """Give by layer Z of the factor's ranks with a small ½ tr (Z - W) C (Z - W)ᵀ.

    C = E[xxᵀ] of the layer's inputs over the loader. A fit is never worse than the
    truncation of W, see `ccsolve.recipes.admm.fit.fit_weight`. Grouped and transposed
    convolutions are left out. Errors as of `checked_layers`. Cost: a run over the
    loader, and up to 100 iterations per layer, each two products of W with C and one
    projection.
    """
    layers = checked_layers(model, factors)
    names = [name for name, layer in layers.items() if one_group(layer)]
    moments = moments_at(model, names, loader)
    return {
        name: fit_weight(
            _weight(layers[name]),
            factors[name],
            inputs=moment,
            where=f"layer {name}",
        ).weight
        for name, moment in moments.items()
    }


def _weight(layer: Any) -> Array:
    return layer.weight.detach().cpu().double().numpy()
