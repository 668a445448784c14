"""Gates: where the channels of a group are read, a class can be closed.

A gate multiplies a channel class where the next layers read it, after batch norm
and activation: there the network is linear in the gate at the point where it acts,
and closing a gate is the same as removing the class, whatever the activation.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve_torch.graph import Graph
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.spelling import spelled_out

Keep = Mapping[str, NDArray[np.int64]]


@contextmanager
def closed(model: nn.Module, graph: Graph, keep: Keep) -> Iterator[None]:
    """Run the model once with the gates of all classes that are not kept at zero.

    Fused attention and recurrent layers run as plain linear maps, for a class is
    closed wherever a layer reads it, at every call.
    """
    masks = _closed_channels(graph, keep)

    def close(call: Call) -> Tensor:
        mask = masks[call.weight].to(call.x.device)
        # A product would turn an infinite entry into NaN.
        # In place of its axis, so that the order in memory, which a view needs, stays.
        return call.x.masked_fill(
            mask[(..., *[None] * (call.x.ndim - 1 - call.axis))], 0
        )

    with spelled_out(model), layer_calls(model, masks, before=close):
        yield


def _closed_channels(graph: Graph, keep: Keep) -> dict[str, Tensor]:
    """Give, by the name of each weight, which of its input channels are closed."""
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, group in graph.groups.items():
        gone = np.setdiff1d(
            np.arange(group.size), keep.get(name, np.arange(group.size))
        )
        for read in group.reads:
            mask = np.isin(read.classes, gone)
            masks[read.weight] = masks.get(read.weight, False) | mask
    return {name: torch.from_numpy(mask) for name, mask in masks.items() if mask.any()}
