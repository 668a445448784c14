"""Matrix products and Einstein sums whose one operand is a parameter."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

VIEWS = frozenset(
    (
        Tensor.t,
        torch.t,
        Tensor.transpose,
        torch.transpose,
        Tensor.permute,
        torch.permute,
        Tensor.T.__get__,  # pyright: ignore[reportAttributeAccessIssue]
        Tensor.mT.__get__,  # pyright: ignore[reportAttributeAccessIssue]
    )
)
"""Functions whose result is still the parameter, with its axes in another order."""

# Where the two factors stand among the arguments.
_FACTORS: dict[Any, tuple[int, int]] = {
    **dict.fromkeys((torch.matmul, Tensor.matmul, Tensor.__matmul__), (0, 1)),
    **dict.fromkeys((torch.mm, Tensor.mm, torch.bmm, Tensor.bmm), (0, 1)),
    **dict.fromkeys((torch.addmm, Tensor.addmm, torch.baddbmm), (1, 2)),
}


class Factor(NamedTuple):
    """The operand beside a parameter: its place in the arguments, its summed axis."""

    weight: str
    position: int
    axis: int


def factor(func: Any, args: Sequence[Any], names: Mapping[int, str]) -> Factor | None:
    """Give the operand that a named parameter multiplies, None where there is none.

    `names` gives the parameters' names by identity.
    """
    if func is torch.einsum:
        return _einsum_factor(args, names)
    if func not in _FACTORS:
        return None
    left, right = _FACTORS[func]
    if id(args[right]) in names:
        return Factor(names[id(args[right])], left, args[left].ndim - 1)
    if id(args[left]) in names and args[right].ndim > 1:
        return Factor(names[id(args[left])], right, args[right].ndim - 2)
    return None


def _einsum_factor(args: Sequence[Any], names: Mapping[int, str]) -> Factor | None:
    """Give the other of two operands, along the first letter that is summed over."""
    if len(args) != 3 or not isinstance(args[0], str) or "->" not in args[0]:
        return None
    sides = args[0].replace(" ", "").replace("->", ",").split(",")
    for mine, other in ((1, 2), (2, 1)):
        if id(args[mine]) in names:
            summed = [x for x in sides[mine - 1] if x not in sides[2] and x != "."]
            shared = [letter for letter in summed if letter in sides[other - 1]]
            if shared:
                axis = _axis(sides[other - 1], shared[0], args[other].ndim)
                return Factor(names[id(args[mine])], other, axis)
    return None


def _axis(letters: str, letter: str, rank: int) -> int:
    """Give the axis of a letter, from behind where an ellipsis stands before it."""
    place = letters.index(letter)
    before_ellipsis = "..." not in letters or place < letters.index("...")
    return place if before_ellipsis else rank - (len(letters) - place)
