"""Lengths that a graph holds as literals or computes from shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Node

from ccsolve_torch.coupling.exported import operator

Mask = NDArray[np.bool_]
# (node, which of its tensors) -> for each axis the entries that remain, None for all.
Remains = Callable[[Node, int], Sequence[Mask | None]]


@dataclass(frozen=True)
class Scaled:
    """A computed number times a fraction: batch · heads with fewer heads."""

    number: Node
    ratio: Fraction


def settled(given: Any, expected: int, remains: Remains) -> Any:
    """Give what stands for a number that should be `expected`.

    A computed number stays if it will be that in the smaller network; else it is
    scaled, or written out where it depends on channels alone.
    """
    if not isinstance(given, Node):
        return expected
    now, free = now_and_free(given, remains)
    if now == expected:
        return given
    return Scaled(given, Fraction(expected, now)) if free and now else expected


def now_and_free(value: Any, remains: Remains) -> tuple[Any, bool]:
    """Give a number's value in the smaller network, and if any free length is in it."""
    if not isinstance(value, Node):
        return value, False
    if operator(value) == "sym_size":
        source, axis = value.args[:2]
        mask = remains(source, 0)[axis]  # pyright: ignore
        if mask is None:
            return number(value), True
        return count(mask), False
    parts = [now_and_free(part, remains) for part in value.args]
    found = value.target(*(part for part, _ in parts))  # pyright: ignore
    return found, any(free for _, free in parts)


def measures(node: Node) -> bool:
    """Say whether the node only computes a number."""
    kinds = torch.SymInt | torch.SymFloat | torch.SymBool | int | float
    return isinstance(node.meta.get("val"), kinds)


def whole(mask: Mask | None) -> bool:
    """Say whether all entries remain."""
    return mask is None or bool(mask.all())


def count(mask: Mask | None) -> int:
    """Give how many entries remain, of an axis that loses some."""
    assert mask is not None
    return int(np.count_nonzero(mask))


def left_of(mask: Mask | None, length: Any) -> int:
    """Give how long an axis of that length is now."""
    return number(length) if mask is None else count(mask)


def number(value: Any) -> Any:
    """Give the number that a literal, a node or an open length has in the example."""
    found = value.meta["val"] if isinstance(value, Node) else value
    symbolic = isinstance(found, torch.SymInt | torch.SymFloat)
    return found.node.hint if symbolic else found
