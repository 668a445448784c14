"""The stages that stand for a layer's weight, and how far they are from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ccsolve.errors import InvalidProblem
from ccsolve.factors import Factor
from ccsolve.statistics import Statistics
from ccsolve_torch.factoring.chains import in_groups, weight_of
from ccsolve_torch.factoring.factorisation import factored, product
from ccsolve_torch.factoring.held_trains import Stage
from ccsolve_torch.factoring.input_moments import weighable
from ccsolve_torch.identity import fingerprint

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Fit:
    """A factored layer: the stages, their ranks, and what they were weighted by."""

    layer: nn.Module
    factor: Factor
    stages: list[Stage]
    ranks: tuple[int, ...]
    moment: Array | None

    def errors(self) -> tuple[float, float | None]:
        """Give the relative error of the weight, and that weighted by the moment."""
        weight = weight_of(self.layer)
        off = weight - product(self.stages)
        plain = _ratio(float(np.linalg.norm(off)), float(np.linalg.norm(weight)))
        if self.moment is None:
            return plain, None
        sizes = [_weighted(value, self.moment) for value in (off, weight)]
        return plain, _ratio(*sizes)


def fitted(
    name: str,
    layer: nn.Module,
    factor: Factor,
    moments: Mapping[str, Array],
    weights: Mapping[str, Array],
) -> Fit:
    """Give the fit of one layer, weighted by its input moment where that can be.

    `weights` has the weights to be fitted where they are not the layers' own.
    InvalidProblem where ranks or modes do not fit the layer, or the moment does not.
    """
    weight, moment = weight_of(layer), None
    if name in weights:
        weight = in_groups(layer, weights[name])
    if weighable(layer, factor):
        moment = moments.get(name)
    columns = weight[0, 0].size
    if moment is not None and len(moment) != columns:
        raise InvalidProblem(
            f"statistics: the input moment of {name} is of {len(moment)} columns, the "
            f"layer has {columns}; collect them on this model"
        )
    stages, ranks = factored(weight, factor, f"layer {name}", moment)
    return Fit(layer, factor, stages, ranks, moment)


def checked_weights(weights: Any, layers: Mapping[str, nn.Module]) -> dict[str, Array]:
    """Give the weights in float64; InvalidProblem where they are not of the layers."""
    if not isinstance(weights, Mapping):
        raise InvalidProblem(
            f"weights: {type(weights).__name__}; expected a mapping from names of "
            f"layers to arrays"
        )
    checked = {}
    for name, value in weights.items():
        if name not in layers:
            raise InvalidProblem(
                f"weights: of {name!r}, which is not factored; expected some of "
                f"{', '.join(layers)[:200]}"
            )
        held: Any = layers[name].weight
        array = np.asarray(value, dtype=np.float64)
        if array.shape != tuple(held.shape) or not np.isfinite(array).all():
            raise InvalidProblem(
                f"weights[{name!r}]: shape {array.shape}; expected finite numbers of "
                f"the shape {tuple(held.shape)} of the layer's weight"
            )
        checked[name] = array
    return checked


def moments_of(statistics: Statistics | None, model: nn.Module) -> dict[str, Array]:
    """Give the input moments of the layers that have one; none without statistics.

    InvalidProblem where there are statistics, but no moments in them, or where they
    were collected on other weights.
    """
    if statistics is None:
        return {}
    of = statistics.fingerprint
    if of and of != fingerprint(model):
        raise InvalidProblem(
            f"statistics: of a model with the fingerprint {of[:12]!r}, this one has "
            f"{fingerprint(model)[:12]!r}; collect them on this model"
        )
    found = {
        name: layer.input_moment
        for name, layer in statistics.layers.items()
        if layer.input_moment is not None
    }
    if not found:
        raise InvalidProblem(
            "statistics: no layer has an input moment; collect with layers='moments'"
        )
    return found


def _weighted(weight: Array, moment: Array) -> float:
    """Give ‖W C^½‖ = √tr(W C Wᵀ)."""
    flat = weight.reshape(-1, len(moment))
    return float(np.sqrt(max(0.0, np.vdot(flat @ moment, flat))))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
