"""Which channels of a model can be removed, what is tied to them, what they cost.

A prunable group is the set of output channels of one convolution or linear layer
that reach, through operators that treat every channel alone, nothing but inputs of
convolutions and linear layers: the inner channels of residual blocks and of plain
chains. What does not fit this is frozen, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ccsolve.errors import Unsupported
from ccsolve.statistics import Operation
from ccsolve_torch.costs import operations
from ccsolve_torch.exported import export
from ccsolve_torch.state import Inputs
from ccsolve_torch.streams import Flow, Reading, enters_sum, follow

Classes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Slot:
    """One axis of a parameter or buffer; its entry i is of class classes[i]."""

    module: str
    tensor: str
    axis: int
    classes: Classes


@dataclass(frozen=True, eq=False)
class Consumer:
    """A layer that reads a group: entry i of its input's channel axis is classes[i]."""

    module: str
    axis: int
    classes: Classes


@dataclass(frozen=True, eq=False)
class Coupling:
    """A group of removable channels: who makes them, what is sliced, who reads them."""

    name: str
    size: int
    slots: tuple[Slot, ...]
    consumers: tuple[Consumer, ...]


@dataclass(frozen=True, eq=False)
class Site:
    """A convolution or linear layer, and the groups of its channels.

    `batch_norm` is the module that alone reads the layer's output, where it is one;
    `summed` says whether what follows is added to another tensor of its shape.
    """

    name: str
    kind: str
    inputs: Mapping[str, Classes]
    outputs: Mapping[str, Classes]
    batch_norm: str | None
    summed: bool


@dataclass(frozen=True, eq=False)
class Graph:
    """What `trace` gives: groups and layers in execution order, and the cost model."""

    groups: Mapping[str, Coupling]
    layers: Mapping[str, Site]
    operations: tuple[Operation, ...]
    frozen: Mapping[str, str]


def trace(model: nn.Module, example_inputs: Inputs) -> Graph:
    """Give the removable channels of the model and the cost of every operator.

    Parameters
    ----------
    model
        Any module that `torch.export` can follow. It is left as it was.
    example_inputs
        A tensor or a tuple of tensors with samples along axis 0; two samples are
        used. Multiply-accumulates are counted at this input size.

    Raises
    ------
    Unsupported
        If the export fails, or if no channel can be removed (the message lists why).
    """
    exported = export(model, example_inputs)
    flow = follow(exported)
    if not flow.sizes:
        raise Unsupported(_nothing(flow))
    groups = {name: _coupling(flow, name) for name in flow.sizes}
    layers = {reading.layer: _site(flow, reading) for reading in flow.readings}
    return Graph(groups, layers, operations(model, exported, flow), dict(flow.frozen))


def _coupling(flow: Flow, name: str) -> Coupling:
    size = flow.sizes[name]
    slots = [
        Slot(slot.module, slot.tensor, slot.axis, _classes(size, slot.repeat))
        for slot in flow.slots[name]
    ]
    consumers = [
        Consumer(reading.layer, reading.axis, _classes(size, reading.repeat))
        for reading in flow.readings
        if reading.group == name
    ]
    return Coupling(name, size, tuple(slots), tuple(consumers))


def _site(flow: Flow, reading: Reading) -> Site:
    inputs, outputs = {}, {}
    if reading.group is not None:
        size = flow.sizes[reading.group]
        inputs[reading.group] = _classes(size, reading.repeat)
    if reading.layer in flow.sizes:
        outputs[reading.layer] = _classes(flow.sizes[reading.layer], 1)
    norm = flow.norms.get(reading.layer)
    end = next(iter(reading.node.users)) if norm else reading.node
    summed = enters_sum(end)
    return Site(reading.layer, reading.kind, inputs, outputs, norm, summed)


def _classes(size: int, repeat: int) -> Classes:
    return np.repeat(np.arange(size, dtype=np.int64), repeat)


def _nothing(flow: Flow) -> str:
    reasons = "; ".join(
        f"{name or 'the model'} {why}" for name, why in list(flow.frozen.items())[:5]
    )
    return (
        f"no channel of the model can be removed ({reasons or 'it has no convolution '}"
        f"{'' if reasons else 'or linear layer'}); expected inner channels between "
        f"two convolutions or linear layers"
    )
