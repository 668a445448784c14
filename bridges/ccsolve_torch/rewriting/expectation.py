"""What the operators of a module should give once channels are gone."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from operator import getitem
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.utils import _pytree as pytree

from ccsolve.errors import Unsupported
from ccsolve_torch.coupling.exported import argument, module_path, operator
from ccsolve_torch.coupling.following import followed_wholly, living
from ccsolve_torch.coupling.labels import Labels
from ccsolve_torch.graph import Graph
from ccsolve_torch.rewriting.lengths import Mask
from ccsolve_torch.rewriting.opaque import Returned
from ccsolve_torch.rewriting.owncode import OwnCode, is_operator, own_code
from ccsolve_torch.rewriting.resizing import Changes, changes

# Operators that may do nothing, and then are not noted.
_IDLE = frozenset(("contiguous", "clone", "alias", "detach", "to", "_to_copy"))
# Operators that give a part, or the axes in another order.
_SEEN = frozenset(("select", "slice", "narrow", "t", "transpose", "permute"))
# Arguments that say nothing that the shapes of source and result do not.
_TOLD = frozenset(
    """size shape sizes normalized_shape split_size split_sizes chunks end
    length""".split()
)

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and named arguments."""


@dataclass(frozen=True, eq=False)
class Sizes:
    """What remains of every tensor of the exported model; by class, what remains."""

    graph: Graph
    classes: Mask

    @cached_property
    def values(self) -> dict[Node, Any]:
        """Give the atoms of every value."""
        return followed_wholly(self.graph.flow)

    @cached_property
    def living(self) -> set[Node]:
        """Give the nodes that the outputs depend on."""
        return living(self.graph.exported)

    def masks(self, node: Node, part: int) -> list[Mask | None]:
        """Give, for each axis of a tensor that the node gives, what remains of it."""
        value, found = node.meta["val"], self.values.get(node, ())
        if isinstance(value, tuple | list):
            value, found = value[part], found[part] if found else ()
        return [self._along(found, axis) for axis in range(value.ndim)]

    def _along(self, labels: Labels, axis: int) -> Mask | None:
        arrays = [ids for ids in labels if ids.shape[axis] > 1]
        if not arrays:
            return None
        left = self.classes[self.graph.classes.number[arrays[0]]]
        beside = tuple(other for other in range(left.ndim) if other != axis)
        return np.asarray(left.any(axis=beside))

    def operators(self, path: str) -> list[Node]:
        """Give the operators of a module's own code, in the first call of it."""
        found = [
            node
            for node in self.graph.exported.nodes
            if is_operator(node) and module_path(node) == path
        ]
        return [node for node in found if _call(node) == _call(found[0])]


def _call(node: Node) -> str:
    """Give what torch.export calls the call of the innermost module: "block@1"."""
    return [*(node.meta.get("nn_module_stack") or {""})][-1]


@dataclass(frozen=True, eq=False)
class Expected:
    """What the own code of one module should give, in terms of its own graph.

    `given` is what the module in the smaller network is called with.
    """

    sizes: Sizes
    path: str
    own: OwnCode
    given: Call

    @cached_property
    def nodes(self) -> dict[Node, Node]:
        """Give the node of the whole model for each node of the module's graph."""
        mine = [node for node in self.own.operators if not _idle(node)]
        whole = self.sizes.operators(self.path)
        all_of_it = [node for node in whole if not _idle(node)]
        if not _alike(mine, all_of_it):
            all_of_it = [node for node in all_of_it if not self._asked(node)]
        if not _alike(mine, all_of_it):
            raise Unsupported(
                f"the code of {self.path or 'the model'} fixes a width and does not do "
                f"the same by itself as within the model; expected code without "
                f"branches on what it is given"
            )
        found: dict[Node, Node] = {}
        for one, other in zip(mine, all_of_it, strict=True):
            found[one] = other
            found.update(_pairs(one, other))
        return found

    def _asked(self, node: Node) -> bool:
        """Say whether it is a part of which the code asks a length: x[0].numel()."""
        return operator(node) in _SEEN and node not in self.sizes.living

    def remains(self, node: Node, part: int) -> Sequence[Mask | None]:
        """Give what remains of a tensor of the module's graph; all if none knows."""
        known = self.nodes
        if node in known:
            return self.sizes.masks(known[node], part)
        if is_operator(node) and _idle(node):
            return self.remains(node.args[0], 0)  # pyright: ignore
        if node.target is getitem and node.args[0] in known:
            source, place = node.args
            return self.sizes.masks(known[source], place)  # pyright: ignore
        tensor = tensors_of(node)[part]
        return self._inputs.get(node) or [None] * tensor.ndim

    @cached_property
    def _inputs(self) -> dict[Node, list[Mask | None]]:
        """Give what remains of arguments, of which the lengths alone are known."""
        leaves, _ = pytree.tree_flatten(self.given)
        now = [tuple(x.shape) for x in leaves if isinstance(x, Tensor)]
        nodes = [
            node
            for node in self.own.graph.nodes
            if node.op == "placeholder" and isinstance(node.meta.get("val"), Tensor)
        ]
        before = [_shape(node.meta["val"]) for node in nodes]
        if [len(lengths) for lengths in now] != [len(lengths) for lengths in before]:
            raise Unsupported(
                f"{self.path or 'the model'} fixes a width and is given other "
                "arguments where channels are gone; expected the same tensors, with "
                "other lengths"
            )
        return {
            node: [_first(*pair) for pair in zip(lengths, dense, strict=True)]
            for node, lengths, dense in zip(nodes, now, before, strict=True)
        }

    def shapes(self, node: Node) -> list[tuple[int, ...]]:
        """Give the shapes that the node's tensors should have."""
        return [
            tuple(
                length if mask is None else int(np.count_nonzero(mask))
                for length, mask in zip(_shape(x), self.remains(node, i), strict=True)
            )
            for i, x in enumerate(tensors_of(node))
        ]

    def met_by(self, module: nn.Module, call: Call) -> bool:
        """Say whether the module's own code gives these shapes."""
        try:
            with _silence():
                found = own_code(module, *call, fixed=True, known=self._returned())
        except Unsupported:
            return False
        mine, theirs = (
            [node for node in own.operators if not _idle(node)]
            for own in (self.own, found)
        )
        return len(mine) == len(theirs) and all(map(self._agree, mine, theirs))

    def _agree(self, one: Node, other: Node) -> bool:
        """Say whether an operator of the smaller network does what is expected."""
        return (
            one.target == other.target
            and self.shapes(one) == [_shape(x) for x in tensors_of(other)]
            and _literals(one, self._wanted[one], other) == _literals(other, {}, other)
        )

    @cached_property
    def _wanted(self) -> dict[Node, Changes]:
        return dict(changes(self.own.graph, self.remains))

    def _returned(self) -> list[Returned]:
        """Give what the submodules should give."""
        return [
            replace(
                returned,
                tensors=[
                    torch.empty(self.shapes(node)[0], dtype=x.dtype, device=x.device)
                    for node in nodes
                    for x in tensors_of(node)
                ],
            )
            for returned, nodes in self.own.called
        ]


@contextmanager
def _silence() -> Iterator[None]:
    """Let torch say nothing of code that may fail: that is what is being asked."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def _literals(node: Node, wanted: Changes, now: Node) -> list[Any]:
    """Give the operator's numbers and flags that its shapes do not tell."""
    found: list[Any] = []
    for declared in node.target._schema.arguments:  # pyright: ignore
        value = wanted.get(declared.name, argument(node, declared.name))
        if declared.name in ("start", "index") and isinstance(value, int | None):
            # Counted from the end, or from the front: -8 and 8 of 16 are one place.
            source: Any = now.args[0]
            length = _shape(source.meta["val"])[argument(now, "dim")]
            value = (value or 0) % max(length, 1)
        if declared.name not in _TOLD and not _has_node(value):
            found.append(list(value) if isinstance(value, tuple) else value)
    return found


def _alike(mine: Sequence[Node], theirs: Sequence[Node]) -> bool:
    """Say whether these are the same operators."""
    return [node.target for node in mine] == [node.target for node in theirs]


def _idle(node: Node) -> bool:
    """Say whether the operator gives what it is given, and might not be noted."""
    source = node.args[0] if node.args else None
    if operator(node) in _IDLE:
        return True
    if operator(node) != "slice" or not isinstance(source, Node):
        return False
    return _shape(node.meta["val"]) == _shape(source.meta["val"])


def _has_node(value: Any) -> bool:
    return any(isinstance(leaf, Node) for leaf in pytree.tree_leaves(value))


def _first(now: int, before: int) -> Mask | None:
    """Give a mask of that many entries; which ones they are nobody asks."""
    return None if now == before else np.arange(before) < now


def _pairs(one: Node, other: Node) -> Iterator[tuple[Node, Node]]:
    """Give the tensors that two runs of an operator read, side by side."""
    mine, theirs = (
        pytree.tree_leaves((list(node.args), dict(node.kwargs)))
        for node in (one, other)
    )
    for a, b in zip(mine, theirs, strict=False):
        if isinstance(a, Node) and isinstance(b, Node):
            yield a, b


def tensors_of(node: Node) -> list[Tensor]:
    """Give the tensors that the node gives."""
    value = node.meta["val"]
    return list(value) if isinstance(value, tuple | list) else [value]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(
        length if isinstance(length, int) else length.node.hint
        for length in tensor.shape
    )
