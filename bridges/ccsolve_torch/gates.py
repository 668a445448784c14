"""Gates: where the channels of a group are read, watched or closed.

A gate multiplies a channel class where the next layers read it, after batch norm
and activation: there the network is linear in the gate at the point where it acts,
and closing a gate is the same as removing the class, whatever the activation.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve_torch.graph import Consumer, Coupling, Graph
from ccsolve_torch.state import hooks

Keep = Mapping[str, NDArray[np.int64]]
Gate = tuple[str, str]
Readings = dict[Gate, Tensor]


@contextmanager
def watched(model: nn.Module, graph: Graph) -> Iterator[Readings]:
    """Give the tensors read at the gates, anew after every forward pass.

    A reader gets a view of its own, so that the gradient there is what flows
    through this reader; a tensor without gradient is made a leaf.
    """
    readings: Readings = {}

    def recorder(key: Gate) -> Any:
        def record(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            z = args[0]
            z = z.view_as(z) if z.requires_grad else z.detach().requires_grad_()
            readings[key] = z
            return (z, *args[1:])

        return record

    handles = [
        model.get_submodule(consumer.module).register_forward_pre_hook(
            recorder((name, consumer.module))
        )
        for name, group in graph.groups.items()
        for consumer in group.consumers
    ]
    with hooks(handles):
        yield readings


def gate_gradients(
    graph: Graph, readings: Readings, gradients: Readings
) -> dict[str, Tensor]:
    """Give, per group, the (N, size) derivatives in the gates of each sample.

    The derivative in a gate is Σ activation·gradient over the positions of its
    class, summed over its readers; in evaluation mode samples do not mix, so one
    backward pass gives every sample's.
    """
    products = {gate: readings[gate].detach() * gradients[gate] for gate in readings}
    return {name: by_class(group, products) for name, group in graph.groups.items()}


def by_class(group: Coupling, values: Readings) -> Tensor:
    """Give (N, size): values at the group's gates summed by sample and class."""
    parts = [
        _summed(values[group.name, consumer.module], consumer, group.size)
        for consumer in group.consumers
    ]
    return torch.stack(parts).sum(dim=0)


@contextmanager
def closed(model: nn.Module, graph: Graph, keep: Keep) -> Iterator[None]:
    """Run the model with the gates of all classes that are not kept at zero."""
    handles = [
        model.get_submodule(consumer.module).register_forward_pre_hook(
            _closer(consumer, keep[name])
        )
        for name, group in graph.groups.items()
        if name in keep
        for consumer in group.consumers
    ]
    with hooks(handles):
        yield


def _closer(consumer: Consumer, kept: NDArray[np.int64]) -> Any:
    mask = torch.from_numpy(np.isin(consumer.classes, kept))

    def close(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        z = args[0]
        shape = [1] * z.ndim
        shape[consumer.axis] = -1
        return (z * mask.to(z).reshape(shape), *args[1:])

    return close


def _summed(value: Tensor, consumer: Consumer, size: int) -> Tensor:
    front = value.movedim(consumer.axis, 1)
    channels = front.reshape(*front.shape[:2], -1).sum(dim=2)
    if channels.shape[1] == size:
        return channels
    classes = torch.from_numpy(consumer.classes).to(value.device)
    return channels.new_zeros(len(value), size).index_add_(1, classes, channels)
