"""Latency of chains: every layer run alone, as it is and as chains of some ranks."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.bonds import ranks_of
from ccsolve.errors import InvalidProblem
from ccsolve.factors import Factor
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.recipes.chains import Chainable, chainables
from ccsolve.recipes.ranks import Rules, choices, require_strides, rules_of
from ccsolve.recipes.trains import stages_of
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED
from ccsolve_torch.factoring.chains import chain
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.running.inside import inside
from ccsolve_torch.running.latency import Clock
from ccsolve_torch.running.state import (
    Inputs,
    as_inputs,
    checked_model,
    device_of,
    evaluating,
    hooks,
)

Shape = tuple[int, ...]
Times = dict[str, dict[tuple[int, ...], float]]

_WHOLE = 0.2
"""The share of the time that the network as a whole is measured for."""


def measure_chains(
    model: nn.Module,
    stats: Statistics,
    example_inputs: Inputs,
    *,
    recipe: str = "svd",
    split: str = "channel",
    multiple_of: int = 8,
    min_keep: int = 1,
    ranks: int = 8,
    seconds: float = 60.0,
) -> Times:
    """Give, by layer and ranks, the microseconds of its chain; () is the layer itself.

    The argument ``times`` of the recipes "svd", "tucker" and "tt". Each layer is run
    alone on random inputs of the shapes that it sees in the network, in evaluation mode
    without gradients, as it is and as chains; medians of warm runs, runs alike measured
    once, scaled to what the layer takes inside the network.

    Parameters
    ----------
    model, stats
        The model and its statistics; for the network's own latency see
        `measure_latency`.
    example_inputs
        A batch of the size whose latency is meant.
    recipe, split, multiple_of, min_keep
        As the plan will have them.
    ranks
        How many ranks, or pairs of them, are measured of each layer: evenly spread
        among those that no other one is better and cheaper than.
    seconds
        What measuring may take, about; three timings of each are made in any case.

    Raises
    ------
    InvalidProblem
        The statistics are of another model, or an option is malformed.
    MissingStatistics
        There is no layer to measure.
    """
    seconds = real_number("seconds", seconds, 0.0)
    ranks = whole_number("ranks", ranks, 1, 10**6)
    device = device_of(checked_model(model))
    if stats.fingerprint and stats.fingerprint != fingerprint(model):
        raise InvalidProblem(
            "stats: of another model, or of other weights; collect them on this model"
        )
    if recipe not in ("svd", "tucker", "tt"):
        raise InvalidProblem(f"recipe {recipe!r}; expected 'svd', 'tucker' or 'tt'")
    inputs = tuple(value.to(device) for value in as_inputs(example_inputs))
    chains = chainables(stats)
    rules = rules_of(stats, recipe, split, "weights", multiple_of, min_keep)
    require_strides(chains, rules)
    offered = {
        name: _offered(stats, name, chains[name], rules, ranks) for name in chains
    }
    count = sum(map(len, offered.values()))
    clock = Clock(device, (1 - _WHOLE) * seconds / count)
    with torch.no_grad(), evaluating(model):
        seen = _shapes(model, list(chains), inputs)
        weights = [f"{name}.weight" for name in chains]
        _, found = inside(model, inputs, weights, seconds=_WHOLE * seconds)
        alone = {
            name: {
                () if one is None else one.ranks: _alone(
                    model.get_submodule(name), chains[name], one, seen[name], clock
                )
                for one in factors
            }
            for name, factors in offered.items()
        }
    return {name: _as_inside(name, known, found) for name, known in alone.items()}


def _offered(
    stats: Statistics, name: str, layer: Chainable, rules: Rules, most: int
) -> list[Factor | None]:
    """Give the layer as it is, and factors that are evenly spread by their loss."""
    found = choices(stats.layers[name], layer, rules, COUNTED)
    factors = [
        found.factors[place]
        for place in np.argsort(found.losses, kind="stable")
        if found.factors[place] is not None
    ]
    if len(factors) > most:
        places = np.linspace(0, len(factors) - 1, most).round().astype(int)
        factors = [factors[place] for place in places]
    return [None, *factors]


def _shapes(
    model: nn.Module, names: list[str], inputs: tuple[Tensor, ...]
) -> dict[str, list[Shape]]:
    """Give the shapes that each layer reads, one for every call in a pass."""
    seen: dict[str, list[Shape]] = {name: [] for name in names}

    def see(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda _, given: seen[name].append(tuple(given[0].shape))

    handles = [
        model.get_submodule(name).register_forward_pre_hook(see(name)) for name in names
    ]
    with hooks(handles):
        model(*inputs)
    return seen


def _alone(
    layer: nn.Module,
    known: Chainable,
    factor: Factor | None,
    shapes: list[Shape],
    clock: Clock,
) -> float:
    """Give the microseconds of all calls of a layer, or of a chain in its place."""
    made: list[nn.Module] = []

    def module() -> nn.Module:
        if not made:
            made.append(
                layer if factor is None else _random_chain(layer, known, factor)
            )
        return made[0]

    def run(shape: Shape) -> Callable[[], object]:
        weight: Any = layer.weight
        x = torch.randn(shape, device=weight.device, dtype=weight.dtype)
        part = module().eval()
        return lambda: part(x)

    return sum(
        clock.microseconds(_key(layer, factor, shape), lambda shape=shape: run(shape))
        for shape in shapes
    )


def _random_chain(layer: nn.Module, known: Chainable, factor: Factor) -> nn.Module:
    ranks = ranks_of(factor, known.shape, "layer")
    rng = np.random.default_rng(0)
    stages: list[NDArray[Any]] = [
        rng.standard_normal((known.groups, *stage))
        for stage in stages_of(factor, known.shape, ranks).shapes
    ]
    return chain(layer, stages)


def _key(layer: Any, factor: Factor | None, shape: Shape) -> Hashable:
    """Give what runs alike have in common."""
    names = ("stride", "padding", "dilation", "groups", "padding_mode")
    geometry = tuple(getattr(layer, name, None) for name in names)
    return type(layer), tuple(layer.weight.shape), geometry, factor, shape


def _as_inside(
    name: str,
    alone: Mapping[tuple[int, ...], float],
    found: Mapping[tuple[str, int], float],
) -> dict[tuple[int, ...], float]:
    """Scale times so that the layer takes what it takes inside the network."""
    within = sum(
        time for (weight, _), time in found.items() if weight == f"{name}.weight"
    )
    factor = within / alone[()] if within > 0 else 1.0
    return {ranks: factor * time for ranks, time in alone.items()}
