"""Models whose convolutions become LinearConv layers, and back to plain ones."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from ccsolve.errors import InvalidProblem, Unsupported, WrongAnswer
from ccsolve.recipes.linear_conv import linear_filters, primary_count
from ccsolve.statistics import Cost, Statistics
from ccsolve_torch.bundling.recording import recorded
from ccsolve_torch.combining.linear_layers import (
    LinearConv,
    example_of,
    linear_like,
    plain_convolution,
)
from ccsolve_torch.combining.made_filters import (
    coefficient_rank,
    saves_parameters,
    take_filters,
)
from ccsolve_torch.combining.penalties import linear_layers
from ccsolve_torch.factoring.candidates import checked_layers
from ccsolve_torch.factoring.chains import CONVOLUTIONS, weight_of
from ccsolve_torch.factoring.fits import moments_of
from ccsolve_torch.factoring.input_moments import moments_at, one_group
from ccsolve_torch.report import Report, checked_names
from ccsolve_torch.running.comparison import ROUNDINGS, difference_of
from ccsolve_torch.running.state import (
    Inputs,
    Loader,
    as_inputs,
    checked_model,
    device_of,
    evaluating,
)

Array = NDArray[Any]

FOLDED = 1e-5
"""Largest relative difference of a folded model, in float32."""

_ALONE = "model: is itself a convolution; expected a model that holds it, nn.Sequential"


@torch.inference_mode(False)
def linear_convolutions(
    model: nn.Module,
    ratio: float | int | Mapping[str, float | int] = 0.5,
    *,
    rank: float | int | None = None,
    sparsity: float | None = None,
    fresh: bool = False,
    statistics: Statistics | None = None,
    method: str = "swap_search",
    time_limit: float | None = 10.0,
    seed: int = 0,
) -> nn.Module:
    """Give a copy of the model whose convolutions are `LinearConv` layers.

    The result is trained, exported and saved (`ccsolve_torch.save`) like any model;
    `fold` gives plain convolutions of the same weights. Costs are counted as they are:
    fewer parameters, the same multiply-accumulates.

    Parameters
    ----------
    model
        Any model; it stays as it is.
    ratio
        Which part of the filters is primary, see `LinearConv`: of every plain
        convolution that has fewer parameters so. Or a mapping from names of
        convolutions, which are taken whatever it does to their size.
    rank, sparsity
        See `LinearConv`; a rank is at most what a layer has room for.
    fresh
        Draw new parameters, to train from scratch. Otherwise the weights are converted:
        a program chooses the primary filters, the others are fitted to them, see
        `ccsolve.recipes.linear_conv.linear_filters`; one float32 rounding apart the
        primary filters are the trained ones.
    statistics
        Of this model, collected with ``layers="moments"``: choice and fit lose as
        little as possible of the layers' *outputs*, ‖(W - Ŵ) C^½‖ with C = E[xxᵀ].
        Grouped convolutions have no such moments and are converted without.
    method, time_limit, seed
        Of the program, per layer.

    Raises
    ------
    InvalidProblem
        No such convolution, a malformed option, or statistics of another model.
    Unsupported
        A named layer's weight is tied or computed, or the layer has hooks.
    """
    checked_names(checked_model(model))
    if fresh and statistics is not None:
        raise InvalidProblem("fresh=True with statistics; expected one of them")
    if type(model) in CONVOLUTIONS:
        raise InvalidProblem(_ALONE)
    chosen = _chosen(model, ratio, rank)
    moments = moments_of(statistics, model)
    small = copy.deepcopy(model)
    search = {"method": method, "time_limit": time_limit, "seed": seed}
    _combine(small, chosen, moments, _Form(search, rank, sparsity, fresh))
    return _with_records(model, small, ())


def combined_for_plan(
    small: nn.Module, primary: Mapping[str, int], loader: Loader | None, seed: int
) -> None:
    """Make the filters of a plan's layers of others, in place.

    Which are primary, and how the others are made of them, is fitted to the moments of
    the loader's inputs, without one to the weights. Errors as of `linear_convolutions`.
    """
    chosen = _chosen(small, primary, None)
    names = [name for name in chosen if one_group(small.get_submodule(name))]
    moments = {} if loader is None else moments_at(small, names, loader)
    _combine(small, chosen, moments, _Form({"seed": seed}))


@dataclass(frozen=True)
class _Form:
    """What the layers shall be, see `linear_convolutions`; options of the program."""

    search: Mapping[str, Any]
    rank: float | int | None = None
    sparsity: float | None = None
    fresh: bool = False


def _combine(
    small: nn.Module,
    chosen: Mapping[str, float | int],
    moments: Mapping[str, Array],
    form: _Form,
) -> None:
    """Put `LinearConv` layers in place of the chosen convolutions."""
    for name, part in chosen.items():
        plain: Any = small.get_submodule(name)
        room = coefficient_rank(form.rank, primary_count(part, plain.out_channels))
        layer = linear_like(plain, part, room, form.sparsity)
        if not form.fresh:
            found = linear_filters(
                weight_of(plain).reshape(plain.out_channels, -1),
                part,
                moment=_moment(name, plain, moments),
                rank=room,
                **form.search,
            )
            take_filters(layer, plain, found)
        _put(small, name, layer)


@torch.inference_mode(False)
def fold(model: nn.Module, example_inputs: Inputs | None = None) -> nn.Module:
    """Give a copy with every `LinearConv` as the plain convolution of its weight.

    What is folded computes the same without making weights in every forward pass: on
    the example inputs, or layer by layer on random ones without them, up to 1e-5 of
    the largest output (8 machine epsilons in lower precision).

    Raises
    ------
    InvalidProblem
        The model has no `LinearConv`.
    WrongAnswer
        The outputs differ by more.
    """
    checked_names(checked_model(model))
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, LinearConv)
    }
    if not layers:
        raise InvalidProblem(
            f"model: a {type(model).__name__} without LinearConv layers; expected what "
            f"linear_convolutions gives"
        )
    small = copy.deepcopy(model)
    for name in layers:
        _put(small, name, plain_convolution(small.get_submodule(name)))  # pyright: ignore
    inputs = () if example_inputs is None else as_inputs(example_inputs)
    if inputs:
        inputs = tuple(value.to(device_of(model)) for value in inputs)
        _check(model, _distance(model, small, inputs))
    else:
        for name, layer in layers.items():
            example = example_of(layer)
            _check(layer, _distance(layer, small.get_submodule(name), (example,)))
    return _with_records(model, small, inputs)


def _chosen(
    model: nn.Module,
    ratio: float | int | Mapping[str, float | int],
    rank: float | int | None,
) -> dict[str, float | int]:
    """Give the ratio of every convolution that is to be replaced."""
    if isinstance(ratio, Mapping):
        if not ratio:
            raise InvalidProblem("ratio: names no layer; expected one or more")
        for name, layer in checked_layers(model, ratio).items():
            if type(layer) not in CONVOLUTIONS:
                raise InvalidProblem(
                    f"ratio: {name!r} is a {type(layer).__name__}; expected a "
                    f"convolution"
                )
        return dict(ratio)
    found: dict[str, float | int] = {}
    for name, module in model.named_modules():
        if type(module) in CONVOLUTIONS and saves_parameters(module, ratio, rank):
            try:
                checked_layers(model, [name])
            except Unsupported:
                continue
            found[name] = ratio
    if not found:
        raise InvalidProblem(
            f"ratio = {ratio!r}: no plain convolution of the model has fewer "
            f"parameters so; expected a smaller ratio, or a mapping of names"
        )
    return found


def _moment(name: str, plain: Any, moments: Mapping[str, Array]) -> Array | None:
    found = moments.get(name) if plain.groups == 1 else None
    columns = plain.weight[0].numel()
    if found is not None and len(found) != columns:
        raise InvalidProblem(
            f"statistics: the input moment of {name} is of {len(found)} columns, the "
            f"layer has {columns}; collect them on this model"
        )
    return found


def _put(small: nn.Module, name: str, new: nn.Module) -> None:
    """Put a module wherever the one of this name stands: it may have several names."""
    old = small.get_submodule(name)
    if old is small:
        raise InvalidProblem(_ALONE)
    for path, module in list(small.named_modules(remove_duplicate=False)):
        if module is old:
            small.set_submodule(path, new)


def _with_records(
    model: nn.Module, small: nn.Module, inputs: tuple[torch.Tensor, ...]
) -> nn.Module:
    """Give the model with what bundles need, and an earlier report brought up."""
    small.surgery = recorded(model, small, {}, inputs)  # pyright: ignore
    earlier = getattr(small, "report", None)
    if isinstance(earlier, Report):
        params = sum(value.numel() for value in small.parameters())
        achieved = Cost(earlier.achieved.macs, params)
        small.report = replace(earlier, achieved=achieved)  # pyright: ignore
    return small


def _distance(
    model: nn.Module, small: nn.Module, inputs: tuple[torch.Tensor, ...]
) -> float:
    with torch.no_grad():
        with evaluating(model):
            expected = model(*inputs)
        with evaluating(small):
            return difference_of(expected, small(*inputs))


def _check(model: nn.Module, distance: float) -> None:
    coarsest = max(torch.finfo(value.dtype).eps for value in _floats(model))
    limit = max(FOLDED, ROUNDINGS * coarsest if coarsest > 1e-6 else 0.0)
    if not distance <= limit:
        raise WrongAnswer(
            f"the folded model differs by {distance:.2g}, expected at most {limit:g}: "
            f"report this"
        )


def _floats(model: nn.Module) -> list[torch.Tensor]:
    return [
        value
        for layer in linear_layers(model)
        for value in layer.parameters()
        if value.is_floating_point()
    ]
