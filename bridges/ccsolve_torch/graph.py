"""Which channels of a model can be removed, what is tied to them, what they cost.

Every axis of every parameter and buffer has one atom per entry. Each operator of the
exported model ties the atoms that it treats as one channel; a class is a set of tied
atoms, made by some layer, read by some layer, and removed as a whole: a channel of a
block, of a residual stream, a whole attention head, a whole group of a grouped
convolution. Classes that stand equally often in the same tensors form a group. What an
operator without a rule reads is frozen, with the operator's name and source line.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.fx import Node

from ccsolve.errors import InvalidProblem
from ccsolve.statistics import Operation
from ccsolve_torch.coupling.classes import Classes, classified
from ccsolve_torch.coupling.costs import operations
from ccsolve_torch.coupling.declaring import Declared, checked_declared, declare
from ccsolve_torch.coupling.exported import (
    Exported,
    export,
    module_path,
    operator,
    shape,
    spelled,
)
from ccsolve_torch.coupling.flow import Flow, LayerCall, Width
from ccsolve_torch.coupling.following import follow
from ccsolve_torch.coupling.refusing import require_layers
from ccsolve_torch.running.state import Inputs

ClassMap = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Slot:
    """One axis of a parameter or buffer; entry i is of class classes[i], -1 for none.

    `tensor` is its full name in the model, "layer1.0.conv1.weight".
    """

    tensor: str
    axis: int
    classes: ClassMap


@dataclass(frozen=True, eq=False)
class Read:
    """A layer that mixes a group's channels, by the name of its weight.

    `classes` gives the class of every entry of its input's channel axis, -1 for none.
    """

    weight: str
    classes: ClassMap


@dataclass(frozen=True, eq=False)
class Coupling:
    """A group of alike classes: what is sliced with them, and who reads them.

    `approximate` says why removing channels is more than masking them (a LayerNorm's
    mean is over fewer channels), "" where both are the same.
    """

    name: str
    size: int
    slots: tuple[Slot, ...]
    reads: tuple[Read, ...]
    approximate: str


@dataclass(frozen=True, eq=False)
class Site:
    """A convolution or linear layer, and the groups of its channels.

    `kind` is "conv", "linear" or "conv_transpose"; `inputs` and `outputs` give by
    group the class of every channel, -1 for others. `calls` counts its runs in one
    pass. `batch_norm` is the module that alone reads the layer's output, where it is
    one; `summed` says whether what follows is added to another tensor of its shape.
    """

    name: str
    kind: str
    weight: str
    bias: str | None
    inputs: Mapping[str, ClassMap]
    outputs: Mapping[str, ClassMap]
    groups: int
    calls: int
    batch_norm: str | None
    summed: bool

    @property
    def title(self) -> str:
        """Give the name that tables hold; the model itself may run the layer."""
        return spelled(self.name or self.weight)


@dataclass(frozen=True, eq=False)
class Graph:
    """What `trace` gives: groups and layers in execution order, and the cost model.

    `frozen` says of layers why channels of theirs stay; `seconds` is what the export
    and the rest took; `sizes` gives the number of parameters of each tensor.
    """

    groups: Mapping[str, Coupling]
    layers: Mapping[str, Site]
    operations: tuple[Operation, ...]
    frozen: Mapping[str, str]
    declared: Declared
    seconds: Mapping[str, float]
    sizes: Mapping[str, tuple[int, ...]]
    widths: tuple[Width, ...]
    exported: Exported
    flow: Flow
    classes: Classes

    @property
    def coverage(self) -> float:
        """Share of the parameters that some removable class holds."""
        left: dict[tuple[str, int], float] = {}
        for slot in (slot for group in self.groups.values() for slot in group.slots):
            key = slot.tensor, slot.axis
            left[key] = left.get(key, 1.0) - float((slot.classes >= 0).mean())
        # What stays of a tensor stays on every axis.
        kept = total = 0.0
        for name, lengths in self.sizes.items():
            size = prod(lengths)
            shares = (left.get((name, axis), 1.0) for axis in range(len(lengths)))
            kept, total = kept + size * prod(shares), total + size
        return 1.0 - kept / total if total else 0.0

    def __str__(self) -> str:
        """Give the groups, what is frozen, the coverage and the times as text."""
        lines = [
            f"{group.name}: {group.size} classes in {len(group.slots)} axes, read by "
            f"{len(group.reads)}"
            + (group.approximate and f"; not exact: {group.approximate}")
            for group in self.groups.values()
        ]
        lines += [f"{name} stays: {reason}" for name, reason in self.frozen.items()]
        times = ", ".join(
            f"{name} {spent:.2f} s" for name, spent in self.seconds.items()
        )
        lines.append(
            f"{100 * self.coverage:.1f} % of the parameters removable; {times}"
        )
        return "\n".join(lines)


def trace(
    model: nn.Module, example_inputs: Inputs, *, declared: Declared | None = None
) -> Graph:
    """Give the removable channels of the model and the cost of every operator.

    Parameters
    ----------
    model
        Any module that `torch.export` can follow. It is left as it was.
    example_inputs
        A tensor or a tuple of tensors with samples along axis 0; two samples are
        used. Multiply-accumulates are counted at this input size.
    declared
        What stays or goes together beyond what the model's code shows.

    Raises
    ------
    Unsupported
        If the export fails, or if no channel can be removed (the message lists why).
        Where that is because layers compute their weights, as `LinearConv` does, a
        plain layer beside them is enough.
    InvalidProblem
        If `declared` names what the model does not have.
    """
    exported = export(model, example_inputs)
    start = time.perf_counter()
    flow = follow(exported)
    known = checked_declared(declared)
    declare(flow, known)
    classes = classified(flow)
    if not classes.sizes:
        require_layers(flow, classes)
    sizes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    groups = _couplings(flow, classes)
    layers = _sites(flow, classes)
    costs = operations(flow, classes, sizes)
    seconds = {"export": exported.seconds, "graph": time.perf_counter() - start}
    return Graph(
        groups,
        layers,
        costs,
        MappingProxyType({**_idle(exported, sizes), **classes.frozen}),
        known,
        seconds,
        sizes,
        tuple(flow.widths),
        exported,
        flow,
        classes,
    )


def _couplings(flow: Flow, classes: Classes) -> dict[str, Coupling]:
    slots: dict[str, list[Slot]] = {name: [] for name in classes.sizes}
    reads: dict[str, dict[str, Read]] = {name: {} for name in classes.sizes}
    for (tensor, axis), ids in flow.links.axes.items():
        for name, entries in _maps(classes, ids).items():
            slots[name].append(Slot(tensor, axis, entries))
    for item in flow.readings:
        for name, entries in _maps(classes, item.ids).items():
            reads[name].setdefault(item.weight, Read(item.weight, entries))
    return {
        name: Coupling(
            name,
            size,
            tuple(slots[name]),
            tuple(reads[name].values()),
            classes.altered.get(name, ""),
        )
        for name, size in classes.sizes.items()
    }


def check_layers(graph: Graph, names: Iterable[str]) -> None:
    """Raise InvalidProblem if the model has no layer of one of these names."""
    if unknown := sorted(set(names) - set(graph.layers)):
        raise InvalidProblem(
            f"layers: no layer {unknown[0]!r} in the model; expected among "
            f"{', '.join(graph.layers)[:200]}"
        )


def _sites(flow: Flow, classes: Classes) -> dict[str, Site]:
    calls: dict[str, list[LayerCall]] = {}
    for call in flow.calls:
        owner, _, tensor = call.weight.rpartition(".")
        if tensor == "weight":
            calls.setdefault(owner, []).append(call)
    return {name: _site(flow, classes, name, found) for name, found in calls.items()}


def _site(flow: Flow, classes: Classes, name: str, calls: list[LayerCall]) -> Site:
    call, users = calls[0], list(calls[0].node.users)
    alone = len(calls) == 1 and len(users) == 1 and operator(users[0]) == "batch_norm"
    norm = module_path(users[0]) if alone else None
    summed = len(calls) == 1 and _enters_sum(users[0] if alone else call.node)
    return Site(
        name,
        call.kind,
        call.weight,
        call.bias,
        _maps(classes, call.inputs),
        _maps(classes, call.outputs),
        call.groups,
        len(calls),
        norm,
        summed,
    )


def _maps(classes: Classes, ids: ClassMap) -> dict[str, ClassMap]:
    held, _ = classes.count(ids)
    return {name: classes.of(name, ids) for name in held}


def _enters_sum(node: Node) -> bool:
    """Say whether all that becomes of the node is a sum with a tensor of its shape."""
    users = list(node.users)
    if len(users) != 1 or operator(users[0]) != "add" or users[0].kwargs:
        return False
    summands = users[0].all_input_nodes
    return len(summands) == 2 and shape(summands[0]) == shape(summands[1])


def _idle(exported: Exported, sizes: Mapping[str, object]) -> dict[str, str]:
    """Give the modules whose parameters no operator reads."""
    read = {exported.parameters[node.name] for node in exported.read()}
    idle = (name.rpartition(".")[0] or name for name in sizes if name not in read)
    return dict.fromkeys(idle, "is not run in evaluation mode")
