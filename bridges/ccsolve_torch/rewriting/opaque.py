"""Submodules as single operators, for tracing what the module around them does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ccsolve.errors import Unsupported


@dataclass(frozen=True, eq=False)
class Returned:
    """What a call gave: its leaves, nested as `tree`; those at `places` are tensors."""

    leaves: Sequence[Any]
    tree: Any
    places: Sequence[int]
    tensors: Sequence[Tensor]


@dataclass(eq=False)
class Call:
    """One call of a submodule: its name, the leaves of its arguments, what it gave.

    `known` is what it gives where that need not be found out by running it.
    """

    path: str
    forward: Callable[..., Any]
    leaves: list[Any]
    tree: Any
    known: Returned | None
    returned: Returned | None = None

    def places(self, kind: Any) -> list[int]:
        """Give the places of the arguments of that kind."""
        return [i for i, leaf in enumerate(self.leaves) if isinstance(leaf, kind)]

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Run on stand-ins for tensors, which have a shape and no values."""
        if self.known is not None:
            self.returned = self.known
            return [torch.empty_like(x) for x in self.known.tensors]
        filled = list(self.leaves)
        for i, tensor in zip(self.places(Tensor), tensors, strict=True):
            filled[i] = tensor
        args, kwargs = pytree.tree_unflatten(filled, self.tree)
        leaves, tree = pytree.tree_flatten(self.forward(*args, **kwargs))
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        # An operator must not give back what it was given, as nn.Identity does.
        found = [leaves[i].clone() for i in places]
        self.returned = Returned(leaves, tree, places, found)
        return found


@contextmanager
def opaque(
    module: nn.Module, known: Sequence[Returned] | None = None
) -> Iterator[list[Call]]:
    """Make every submodule one operator inside; give the calls, as they are made.

    What a submodule calls itself runs as it is. `known` is what the calls give, in
    their order.
    """
    calls: list[Call] = []
    inner = {id(part): (name, part) for name, part in module.named_modules() if name}
    held = [(part, vars(part).get("forward")) for _, part in inner.values()]
    switch = _Switch(calls, known)
    try:
        for name, part in inner.values():
            vars(part)["forward"] = partial(switch.call, name, part.forward)
        _CALLS.append(calls)
        yield calls
    finally:
        _CALLS.pop()
        for part, own in held:
            vars(part).pop("forward", None)
            vars(part).update({} if own is None else {"forward": own})


_CALLS: list[list[Call]] = []


@torch.library.custom_op("ccsolve::submodule", mutates_args=())
def submodule(
    tensors: Sequence[Tensor], sizes: Sequence[int], call: int
) -> list[Tensor]:
    """Stand for the call of a submodule."""
    raise Unsupported("ccsolve::submodule stands for a submodule; it does not run")


@submodule.register_fake
def _(tensors: Sequence[Tensor], sizes: Sequence[int], call: int) -> list[Tensor]:
    return _CALLS[-1][call].run(tensors)


class _Switch:
    """Turns the outermost calls of submodules into operators."""

    def __init__(self, calls: list[Call], known: Sequence[Returned] | None) -> None:
        """Note the calls in the list."""
        self.calls, self.known, self.inside = calls, known, False

    def call(
        self, path: str, forward: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Run a submodule as one operator; inside another submodule, as it is."""
        if self.inside:
            return forward(*args, **kwargs)
        leaves, tree = pytree.tree_flatten((args, kwargs))
        number = len(self.calls)
        known = self._known(number)
        call = Call(path, partial(self._enter, forward), leaves, tree, known)
        self.calls.append(call)
        tensors, sizes = (
            [leaves[i] for i in call.places(kind)] for kind in (Tensor, torch.SymInt)
        )
        found = submodule(tensors, sizes, number)
        assert call.returned is not None
        filled = list(call.returned.leaves)
        for i, tensor in zip(call.returned.places, found, strict=True):
            filled[i] = tensor
        return pytree.tree_unflatten(filled, call.returned.tree)

    def _known(self, number: int) -> Returned | None:
        if self.known is None:
            return None
        if number >= len(self.known):
            raise Unsupported("the module calls more submodules than before")
        return self.known[number]

    def _enter(self, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.inside = True
        try:
            return forward(*args, **kwargs)
        finally:
            self.inside = False
