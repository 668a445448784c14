"""Weights of chains that keep the components worth most to the loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.bonds import ranks_of
from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.factors import Factor
from ccsolve.plans import Plan
from ccsolve.recipes.compression.components import components_of
from ccsolve.recipes.compression.sites import Array
from ccsolve.statistics import Layer, Statistics


def surviving_weights(stats: Statistics, plan: Plan) -> dict[str, Array]:
    """Give the weights of a plan's chains as the scores rank components.

    Of the weight that the kept channels leave, the components of largest
    ‖g∘(s_k u_k v_kᵀ)‖² stay, formula (CC-3), where the authors' code, and `apply` of
    the torch bridge, keep the largest s_k. Shapes are those of the cut layers:
    ``factorise(cut, plan.factors, x, weights=surviving_weights(stats, plan))``, with
    `cut` what `apply` makes of the plan without its factors.

    Raises
    ------
    InvalidProblem
        A layer that the statistics do not hold, or a chain that is no "svd" of split
        "channel".
    MissingStatistics
        The gradient of a layer was not collected.
    """
    found = {}
    for name, factor in plan.factors.items():
        if name not in stats.layers or (factor.format, factor.split) != (
            "svd",
            "channel",
        ):
            raise InvalidProblem(
                f"factors[{name!r}]: {factor}; expected an 'svd' of split 'channel' of "
                "a layer of these statistics, as recipe 'cc' makes"
            )
        found[name] = _survivors(stats.layers[name], plan, factor)
    return found


def _survivors(layer: Layer, plan: Plan, factor: Factor) -> Array:
    if layer.gradient is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no mean gradient of the weights was collected"
        )
    n, c = layer.weight.shape[:2]
    kept = np.ix_(_left(plan, layer.outputs, n), _left(plan, layer.inputs, c))
    weight = layer.weight[kept].astype(np.float64)
    flat = weight.reshape(len(weight), -1)
    squared = np.square(layer.gradient[kept].astype(np.float64)).reshape(flat.shape)
    parts = components_of(flat, min(flat.shape))
    (rank,) = ranks_of(factor, weight.shape, f"layer {layer.name}")
    order = np.argsort(-parts.worths(squared), kind="stable")
    return parts.product(order[:rank]).reshape(weight.shape)


def _left(plan: Plan, maps: Mapping[str, Any], length: int) -> NDArray[np.int64]:
    """Give the channels of which no class has gone."""
    there = np.ones(length, dtype=bool)
    for name, classes in maps.items():
        own = classes >= 0
        there[own] &= plan.mask(name)[classes[own]]
    return np.flatnonzero(there)
