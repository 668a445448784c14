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
    """Give the arguments: what a call must name by its place, the rest by name.

    Defaults are filled in but for None: what is missing a wrapper of the function may
    fill in itself.
    """
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    placed: list[Any] = []
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            placed.extend(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= value
        elif _by_place(parameter, signature, bound):
            placed.append(value)
        elif value is not None or parameter.default is not None:
            named[name] = value
    leaves, tree = pytree.tree_flatten((tuple(placed), named))
    return Arguments(tuple(leaves), tree)


def _by_place(
    parameter: inspect.Parameter,
    signature: inspect.Signature,
    bound: inspect.BoundArguments,
) -> bool:
    """Say whether the argument stands before others that have no name."""
    if parameter.kind is parameter.KEYWORD_ONLY:
        return False
    more = any(
        other.kind is other.VAR_POSITIONAL and bound.arguments.get(name)
        for name, other in signature.parameters.items()
    )
    required = parameter.default is parameter.empty
    return required or more or parameter.kind is parameter.POSITIONAL_ONLY
