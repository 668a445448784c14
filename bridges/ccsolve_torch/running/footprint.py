"""The memory that a forward pass takes: weights, and tensors alive at once."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import Inputs, as_inputs, evaluating, hooks


@dataclass(frozen=True)
class Footprint:
    """Bytes of a model: its parameters and buffers, and activations alive at once."""

    weights: int
    activations: int


@dataclass
class Life:
    """The life of one storage, in numbers of storages made until then.

    `end` is how many had been made when it went, None while it lives. `module` is the
    name of the innermost module that ran as it was made.
    """

    bytes: int
    module: str
    end: int | None = None


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

    Counted are the tensors of `lives`.
    """
    alive = _Alive()
    _run(model, inputs, alive)
    return alive.peak


def lives(model: nn.Module, inputs: Inputs) -> list[Life]:
    """Give the storages that one forward pass makes, in the order of their making.

    In evaluation mode, without gradients; inputs, parameters, buffers and the
    scratch memory inside operators are not counted; torch's attention runs as plain
    operators, because its fused one would hide what it holds.
    """
    alive = _Alive()
    with _told(model, alive):
        _run(model, inputs, alive)
    return alive.lives


def _run(model: nn.Module, inputs: Inputs, alive: "_Alive") -> None:
    spelled = spelled_out(model, whole=False)
    with torch.no_grad(), evaluating(model), spelled, alive:
        model(*as_inputs(inputs))


class _Alive(TorchDispatchMode):
    """Writes down the storages that operators make, and when they go."""

    def __init__(self) -> None:
        """Begin with nothing alive."""
        super().__init__()
        self.now = self.peak = 0
        self.lives: list[Life] = []
        self.modules: list[str] = []
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
        life = Life(storage.nbytes(), self.modules[-1] if self.modules else "")
        self.lives.append(life)
        self.now += life.bytes
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, key, life)

    def _drop(self, key: int, life: Life) -> None:
        self.known.discard(key)
        self.now -= life.bytes
        life.end = len(self.lives)


@contextmanager
def _told(model: nn.Module, alive: _Alive) -> Iterator[None]:
    """Tell inside which module runs."""

    def enter(name: str) -> Any:
        return lambda module, args: alive.modules.append(name)

    def leave(module: nn.Module, args: Any, outputs: Any) -> None:
        alive.modules.pop()

    handles = []
    for name, module in model.named_modules():
        handles += [
            module.register_forward_pre_hook(enter(name)),
            module.register_forward_hook(leave),
        ]
    with hooks(handles):
        yield
