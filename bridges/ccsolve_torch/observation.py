"""Watching a model while it runs: the gated tensors, and the layers' outputs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve_torch.gates import Readings, watched
from ccsolve_torch.graph import Graph
from ccsolve_torch.state import hooks
from ccsolve_torch.tallies import LayerMoments


@dataclass
class Seen:
    """What one forward pass showed: gated tensors, and layers' outputs."""

    readings: Readings
    outputs: dict[str, Tensor]
    weights: dict[str, Tensor]

    def gradients(
        self, of: Tensor, along: Tensor, *, weights: bool
    ) -> tuple[Readings, dict[str, Tensor], dict[str, Tensor]]:
        """Give the derivatives of Σ along·of in the gates, outputs and weights."""
        asked = [self.readings, self.outputs, self.weights if weights else {}]
        flat = [tensor for tensors in asked for tensor in tensors.values()]
        grads = iter(
            torch.autograd.grad(
                of, flat, along, retain_graph=True, materialize_grads=True
            )
        )
        gates, outputs, found = ({key: next(grads) for key in part} for part in asked)
        return gates, outputs, found  # pyright: ignore[reportReturnType]


@contextmanager
def observed(
    model: nn.Module, graph: Graph, moments: dict[str, LayerMoments]
) -> Iterator[Seen]:
    """Watch the gates and, where moments are wanted, the layers."""
    outputs: dict[str, Tensor] = {}
    weights = {name: moment.module.weight for name, moment in moments.items()}
    flags = {name: weight.requires_grad for name, weight in weights.items()}

    def recorder(moment: LayerMoments) -> Any:
        def record(module: nn.Module, args: tuple[Any, ...], y: Tensor) -> Tensor:
            outputs[moment.site.name] = y
            moment.add_input(args[0], y)
            # An activation may work in place: it gets a copy, y stays as it is.
            return y.clone()

        return record

    handles = [
        moment.module.register_forward_hook(recorder(moment))
        for moment in moments.values()
    ]
    with ExitStack() as stack:
        stack.enter_context(hooks(handles))
        readings = stack.enter_context(watched(model, graph))
        try:
            for weight in weights.values():
                weight.requires_grad_(True)  # pyright: ignore
            yield Seen(readings, outputs, weights)  # pyright: ignore
        finally:
            for name, weight in weights.items():
                weight.requires_grad_(flags[name])  # pyright: ignore
