"""The bytes alive at each step of a forward pass, as products of kept widths."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.fx import Node

from ccsolve.statistics import Bytes, Memory
from ccsolve.statistics.memory import MOST_GROUPS, undominated
from ccsolve_torch.coupling.classes import Classes
from ccsolve_torch.coupling.exported import module_path
from ccsolve_torch.coupling.flow import Flow
from ccsolve_torch.coupling.following import followed_wholly
from ccsolve_torch.coupling.links import Ids
from ccsolve_torch.running.footprint import Life, lives

Parts = tuple[Bytes, ...]


def memory(model: nn.Module, flow: Flow, classes: Classes) -> Memory:
    """Give the memory of the model's weights and of one sample's forward pass.

    Weights are parameters and buffers, each once. How long tensors live is seen in one
    run of the model on the example: Python holds on to what a graph would let go. Their
    bytes at other widths are those of the graph's tensors, which are recognised in
    their module by size and order. What operators make inside counts as their input or
    result of that size, or of a multiple of it; what is like neither stays as it is, so
    that it is never told too small.

    Takes one forward pass on two samples, and O(steps · alive) besides.
    """
    seen = lives(model, flow.exported.example)
    parts = _recognised(seen, _values(flow, classes))
    steps = [
        tuple(part for place in alive for part in parts[place])
        for alive in _alive(seen)
    ]
    return Memory(tuple(_weights(model, flow, classes)), undominated(steps))


def _alive(seen: Sequence[Life]) -> Iterator[list[int]]:
    """Give at each making of a storage those that live then, itself among them."""
    alive: list[int] = []
    for step in range(len(seen)):
        alive = [
            place
            for place in (*alive, step)
            if (end := seen[place].end) is None or end > step
        ]
        yield alive


def _weights(model: nn.Module, flow: Flow, classes: Classes) -> Iterator[Bytes]:
    tensors = (*model.named_parameters(), *model.named_buffers())
    sums: dict[tuple[str, ...], float] = {}
    for name, tensor in tensors:
        axes = [
            flow.links.axes[name, axis]
            for axis in range(tensor.ndim)
            if (name, axis) in flow.links.axes
        ]
        for part in _bytes(classes, axes, tensor.shape, tensor.element_size()):
            sums[part.groups] = sums.get(part.groups, 0) + part.count
    return (Bytes(groups, count) for groups, count in sums.items())


@dataclass(frozen=True)
class _Value:
    """A storage that an operator of the graph makes, and what the operator reads.

    `read` gives the parts of its operands by their bytes; `share` is that of a sample.
    """

    module: str
    bytes: int
    parts: Parts
    read: Mapping[int, Parts]
    share: float


def _values(flow: Flow, classes: Classes) -> list[_Value]:
    """Give the storages that the graph's operators make, in their order."""
    labels, found = followed_wholly(flow), dict[int, _Value]()
    given = {
        _key(tensor)
        for node in flow.exported.nodes
        if node.op == "placeholder"
        for tensor, _ in _made(node, ())
    }
    for node in flow.exported.calls():
        share = 1.0 if node in flow.constant else 1.0 / flow.exported.batch
        read = {
            _bytes_of(tensor): _bytes(
                classes, families, tensor.shape, share * tensor.element_size()
            )
            for source in node.all_input_nodes
            for tensor, families in _made(source, labels.get(source, ()))
        }
        for tensor, families in _made(node, labels.get(node, ())):
            key, size = _key(tensor), tensor.untyped_storage().nbytes()
            if key not in found and key not in given:
                scale = share * size / max(tensor.numel(), 1)
                parts = _bytes(classes, families, tensor.shape, scale)
                found[key] = _Value(module_path(node), size, parts, read, share)
    return list(found.values())


def _recognised(seen: Sequence[Life], values: Sequence[_Value]) -> list[Parts]:
    """Give what each storage that was seen holds at other widths."""
    parts: list[Parts] = [()] * len(seen)
    for module in {life.module for life in seen}:
        places = [place for place, life in enumerate(seen) if life.module == module]
        own = [value for value in values if value.module == module]
        found = _aligned([seen[place].bytes for place in places], own)
        for place, near in zip(places, found, strict=True):
            parts[place] = _parts_of(seen[place].bytes, near)
    return parts


def _aligned(sizes: Sequence[int], values: Sequence[_Value]) -> Iterator[list[_Value]]:
    """Give for each size its value, or several: those before and behind it.

    As many as can be are matched in order, by the longest common subsequence.
    """
    rows, columns = len(sizes), len(values)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            best[i][j] = (
                best[i + 1][j + 1] + 1
                if sizes[i] == values[j].bytes
                else max(best[i + 1][j], best[i][j + 1])
            )
    j = 0
    for i, size in enumerate(sizes):
        while j < columns and size != values[j].bytes and best[i][j + 1] == best[i][j]:
            j += 1
        matched = j < columns and size == values[j].bytes
        yield list(values[j : j + 1] if matched else values[max(j - 1, 0) : j + 1])
        j += matched


def _parts_of(size: int, near: Sequence[_Value]) -> Parts:
    """Give the parts of a storage by its value, or by the values around it."""
    for value in near:
        if value.bytes == size:
            return value.parts
    for value in reversed(near):
        if inside := _inside(size, value):
            return inside
    share = min((value.share for value in near), default=1.0)
    return (Bytes((), _whole(size * share)),)


def _inside(size: int, value: _Value) -> Parts:
    """Give the parts of what an operator makes on the way to its value."""
    if size in value.read:
        return value.read[size]
    times, rest = divmod(size, max(value.bytes, 1))
    if rest or not times:
        return ()
    return tuple(Bytes(part.groups, times * part.count) for part in value.parts)


def _bytes(
    classes: Classes, families: Sequence[Ids], shape: Sequence[int], scale: float
) -> Parts:
    """Multiply out scale · entries of the shape with the families' widths."""
    scale *= prod(shape) / prod(ids.size for ids in families)
    products: dict[tuple[str, ...], float] = {(): scale}
    for ids in families:
        held, fixed = classes.count(ids)
        parts = {(name,): count for name, count in held.items()} | {(): fixed}
        if any(len(groups) == MOST_GROUPS for groups in products):
            parts = {(): ids.size}  # a third width counts as the dense one
        products = {
            (*known, *more): amount * count
            for known, amount in products.items()
            for more, count in parts.items()
            if count
        }
    return tuple(Bytes(groups, _whole(n)) for groups, n in products.items())


def _whole(count: float) -> float:
    """Give an exact integer where there is one."""
    return int(count) if float(count).is_integer() else count


def _made(node: Node, families: Any) -> Iterator[tuple[Tensor, Any]]:
    """Give the tensors that a node gives, with their families of atoms."""
    found = node.meta.get("val")
    if isinstance(found, Tensor):
        yield found, families
    elif isinstance(found, tuple | list):
        for place, tensor in enumerate(found):
            if isinstance(tensor, Tensor):
                yield tensor, families[place] if place < len(families) else ()


def _bytes_of(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
