"""Dynamic-coded filter fusion: compact from the first step, fused while it is trained.

small = fuse(model, plan, inputs)             # layers of fused filters
for epoch in range(epochs):
    update_fusion(small, epoch, epochs)       # sharper, by the paper's schedule
    ...                                       # any training, one epoch of it
small = export_fused(small, inputs)           # plain layers
"""

import copy
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ccsolve.errors import InvalidProblem, Unsupported, WrongAnswer
from ccsolve.plans import Plan
from ccsolve.problems.records import reduced
from ccsolve.recipes.dcff import FIRST, LAST, RATE, distributions, temperature_at
from ccsolve_torch.application import Order, carried_out
from ccsolve_torch.bundling.recording import Surgery
from ccsolve_torch.coupling.costs import count
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.fusing.fused_layers import FusedFilters, plain_layer
from ccsolve_torch.fusing.groups import FusedGroup, fused_groups, layer_at
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.report import Report, checked_names
from ccsolve_torch.running.comparison import difference_of, tolerance
from ccsolve_torch.running.state import (
    Inputs,
    as_inputs,
    checked_model,
    device_of,
    evaluating,
)
from ccsolve_torch.surgery import checked_keep, kept_entries

RECORD = "fusion"
"""The attribute of a model that says what of it is fused, or was."""


@dataclass(frozen=True, eq=False)
class Fusing:
    """What of a model is fused while it is trained.

    Parameters
    ----------
    groups
        The groups whose filters are fused.
    temperature
        t of the latest update.
    surgery
        How the plain network of these widths was cut.
    """

    groups: tuple[FusedGroup, ...]
    temperature: float
    surgery: Surgery

    __reduce__ = reduced


@dataclass(frozen=True, eq=False)
class Fused:
    """What was exported, and the proof that it is what was trained.

    Parameters
    ----------
    layers
        The layers whose filters were fused, plain ones now.
    temperature
        t at which they were.
    difference
        Largest difference of the outputs to those of the model in training form, both
        in evaluation mode, relative to the largest output.
    tolerance
        The most that rounding explains.
    """

    layers: tuple[str, ...]
    temperature: float
    difference: float
    tolerance: float

    __reduce__ = reduced


@torch.inference_mode(False)
def fuse(
    model: nn.Module,
    plan: Plan,
    example_inputs: Inputs,
    *,
    temperature: float = 1.0 / FIRST,
    declared: Declared | None = None,
) -> nn.Module:
    """Give the model that the plan leaves, with fused filters in place of cut ones.

    Every group that lost channels is cut from the model; the layers that make its
    channels hold all their filters on, over the inputs that are left, and compute the
    kept channels by means of all of them: P[kept]·W, and biases alike. Batch norms and
    the layers that read the group are cut as by `apply`, and so are layers that cannot
    fuse filters: grouped and transposed convolutions, tied and hooked layers.

    The result is trained by any loop; `update_fusion` goes before every epoch, and
    `export_fused` makes plain layers of it. A checkpoint of its state goes into what
    this gives for the same model and plan. To train from scratch as the paper does,
    call `reset_parameters` of its modules.

    Parameters
    ----------
    model
        Any model; it stays as it is.
    plan
        What is kept, by recipe "dcff" or any other.
    example_inputs
        See `apply`.
    temperature
        t of the first distributions, over the filters as they are cut.
    declared
        See `trace`.

    Returns
    -------
    The model, whose `report` is that of `apply` without a repair, of the cut alone, and
    whose `fusion` says which groups are fused.

    Raises
    ------
    InvalidProblem
        The plan is for another model, or the model has an attribute `fusion`.
    Unsupported
        The plan makes chains of layers, or cuts no layer that can fuse filters.
    """
    _check_record(checked_names(checked_model(model)))
    if plan.factors:
        raise Unsupported(
            f"plan: makes chains of {len(plan.factors)} layers; expected one that "
            f"removes channels alone"
        )
    inputs = tuple(value.to(device_of(model)) for value in as_inputs(example_inputs))
    start = time.perf_counter()
    graph = trace(model, inputs, declared=declared)
    order, spent = Order(inputs, None, "none", False, 0), time.perf_counter() - start
    small: Any = carried_out(model, graph, plan, order, {"graph": spent})
    keep = checked_keep(graph, plan.keep)
    groups = tuple(fused_groups(model, small, graph, keep))
    if not groups:
        raise Unsupported(
            "plan: cuts no convolution or linear layer whose filters can be fused; "
            "apply makes the smaller model without fusion"
        )
    entries = kept_entries(graph, keep)
    for name in dict.fromkeys(name for group in groups for name in group.layers):
        _hold_all(model, small, graph, name, entries)
    for group in groups:
        kept = keep[group.name]
        shares = distributions(group.filters(small), temperature)
        group.put(small, shares[kept], kept)
    small.fusion = Fusing(groups, temperature, small.surgery)
    return small


def update_fusion(
    model: nn.Module,
    epoch: int,
    epochs: int,
    *,
    first: float = FIRST,
    last: float = LAST,
    rate: float = RATE,
) -> float:
    """Choose and fuse filters anew for an epoch, in place; give its temperature.

    Distributions and importances are of the filters as they are by now; where nothing
    sets filters apart any more, the choice stays. Optimisers keep working: parameters
    stay the same objects.

    Parameters
    ----------
    model
        What `fuse` gave.
    epoch, epochs, first, last, rate
        See `ccsolve.recipes.dcff.temperature_at`.
    """
    held: Any = model
    record = _fusing(model)
    t = temperature_at(epoch, epochs, first=first, last=last, rate=rate)
    for group in record.groups:
        found = group.choose(model, t)
        group.put(model, found.matrix, found.keep)
    held.fusion = replace(record, temperature=t)
    return t


@torch.inference_mode(False)
def export_fused(model: nn.Module, example_inputs: Inputs) -> nn.Module:
    """Give a copy with plain layers of the fused filters, checked against the model.

    It is an ordinary model of the plan's widths, which `save` takes; its `report` says
    which filters are kept in the end, and its `fusion` how far its outputs are from
    those of the model, both in evaluation mode on the example inputs.

    Raises
    ------
    InvalidProblem
        The model is not one that `fuse` gave.
    WrongAnswer
        The outputs differ by more than rounding explains, or the cost is not that of
        the plan.
    """
    record = _fusing(checked_model(model))
    inputs = tuple(value.to(device_of(model)) for value in as_inputs(example_inputs))
    small: Any = copy.deepcopy(model)
    layers = dict.fromkeys(name for group in record.groups for name in group.layers)
    for name in layers:
        _replace(small, name, plain_layer(layer_at(small, name)))
    found, limit = _distance(model, small, inputs), tolerance(small)
    if not found <= limit:
        raise WrongAnswer(
            f"the exported model differs by {found:.2g} from the one in training form, "
            f"expected at most {limit:g}"
        )
    small.fusion = Fused(tuple(layers), record.temperature, found, limit)
    small.surgery = record.surgery
    small.report = _brought_up(small, model, record, inputs)
    return small


def _brought_up(
    small: Any, model: nn.Module, record: Fusing, inputs: tuple[Any, ...]
) -> Report:
    """Give the cut's report with the filters that are kept by now."""
    report: Report = small.report
    counted = count(small, inputs)
    if counted.known() != {name: report.achieved.of(name) for name in counted.known()}:
        raise WrongAnswer(
            f"the exported model costs {counted}, expected {report.achieved}"
        )
    kept = {group.name: group.kept(model) for group in record.groups}
    return replace(report, kept={**report.kept, **kept})


def _hold_all(
    model: nn.Module, small: nn.Module, graph: Graph, name: str, entries: Any
) -> None:
    """Put a layer in place that holds all filters, over the inputs that are left."""
    whole: Any = model.get_submodule(name)
    weight = graph.layers[name].weight
    values = whole.weight.detach()
    if (weight, 1) in entries:
        index = torch.from_numpy(entries[weight, 1]).to(values.device)
        values = values.index_select(1, index)
    layer = FusedFilters(small.get_submodule(name), len(values))
    with torch.no_grad():
        layer.filters.copy_(values)
        if layer.biases is not None:
            layer.biases.copy_(whole.bias)
        layer.kept.copy_(torch.from_numpy(entries[weight, 0]))
        layer.matrix.zero_()
        layer.matrix[torch.arange(layer.outputs, device=values.device), layer.kept] = 1
    for parameter in layer.parameters():
        parameter.requires_grad_(whole.weight.requires_grad)
    _replace(small, name, layer)


def _replace(small: nn.Module, name: str, new: nn.Module) -> None:
    """Put a module wherever the one of this name stands: it may have several names."""
    old = small.get_submodule(name)
    for path, module in list(small.named_modules(remove_duplicate=False)):
        if module is old:
            small.set_submodule(path, new)


def _distance(model: nn.Module, small: nn.Module, inputs: tuple[Any, ...]) -> float:
    with torch.no_grad(), evaluating(model), evaluating(small):
        return difference_of(model(*inputs), small(*inputs))


def _fusing(model: nn.Module) -> Fusing:
    record = getattr(model, RECORD, None)
    if not isinstance(record, Fusing):
        raise InvalidProblem(
            f"model: a {type(model).__name__} whose filters are not being fused; "
            f"expected what fuse gives"
        )
    return record


def _check_record(model: nn.Module) -> None:
    held = getattr(model, RECORD, None)
    if held is not None and not isinstance(held, Fused):
        raise InvalidProblem(
            f"model: has an attribute {RECORD!r}, a {type(held).__name__}, where the "
            f"result keeps its record; expected a model without it"
        )
