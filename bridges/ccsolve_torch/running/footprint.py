"""The memory that a forward pass takes: weights, and tensors alive at once."""

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import Inputs, as_inputs, evaluating


@dataclass(frozen=True)
class Footprint:
    """Bytes of a model: its parameters and buffers, and activations alive at once."""

    weights: int
    activations: int


def footprint(model: nn.Module, inputs: Inputs) -> Footprint:
    """Give the bytes of the model and of one forward pass on the inputs."""
    return Footprint(weight_bytes(model), peak_activations(model, inputs))


def weight_bytes(model: nn.Module) -> int:
    """Give the bytes of all parameters and buffers, each once."""
    return sum(
        tensor.numel() * tensor.element_size()
        for tensor in (*model.parameters(), *model.buffers())
    )


def peak_activations(model: nn.Module, inputs: Inputs) -> int:
    """Give the most bytes of tensors that one forward pass holds at the same time.

    In evaluation mode, without gradients; inputs, parameters, buffers and the
    scratch memory inside operators are not counted; torch's attention runs as plain
    operators, because its fused one would hide what it holds.
    """
    alive = _Alive()
    spelled = spelled_out(model, whole=False)
    with torch.no_grad(), evaluating(model), spelled, alive:
        model(*as_inputs(inputs))
    return alive.peak


class _Alive(TorchDispatchMode):
    """Counts the bytes of the storages that operators make, while they live."""

    def __init__(self) -> None:
        """Begin with nothing alive."""
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operator and count what is new."""
        given = {
            leaf.untyped_storage()._cdata
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, Tensor)
        }
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage(), given)
        return made

    def _add(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        key = storage._cdata
        if key in self.known or key in given:
            return
        self.known.add(key)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size
