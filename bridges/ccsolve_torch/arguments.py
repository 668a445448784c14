"""The arguments of a call, in one form however they were given."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


@dataclass(frozen=True, eq=False)
class Arguments:
    """The arguments of a call in one form, however they were given.

    `leaves` are all values in them, nested ones too; `tree` is how they nest.
    """

    leaves: tuple[Any, ...]
    tree: Any

    @property
    def call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give positional and named arguments."""
        return pytree.tree_unflatten(list(self.leaves), self.tree)

    @property
    def form(self) -> "Arguments":
        """Give the arguments with an empty tensor in the place of every tensor."""
        empty = (torch.empty(0) if isinstance(x, Tensor) else x for x in self.leaves)
        return Arguments(tuple(empty), self.tree)


def arguments(signature: inspect.Signature, args: Any, kwargs: Any) -> Arguments:
    """Give the arguments with defaults filled in."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    leaves, tree = pytree.tree_flatten((bound.args, dict(bound.kwargs)))
    return Arguments(tuple(leaves), tree)
