"""Operators that move entries without changing them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling.exported import argument, operator, shape
from ccsolve_torch.coupling.flow import Flow, Rule, joined, tensors
from ccsolve_torch.coupling.labels import (
    aligned,
    on_axis,
    packed,
    reshaped,
    varying,
)
from ccsolve_torch.coupling.links import NONE, Ids


def source_of(node: Node) -> Any:
    """Give what the operator works on."""
    return node.args[0]


def axis_of(node: Node, name: str = "dim") -> int:
    """Give the axis that the operator names, counted from the front."""
    return argument(node, name, 0) % len(shape(source_of(node)))


def _reshape(flow: Flow, node: Node) -> None:
    before, after = shape(source_of(node)), shape(node)
    # Where two families come to stand on one axis, the outer one's channels can go.
    labels = sorted(flow.labels(source_of(node)), key=lambda ids: min(varying(ids)))
    flow.give(node, [reshaped(ids, before, after) for ids in labels])


def _permute(flow: Flow, node: Node) -> None:
    rank = len(shape(source_of(node)))
    order = [axis % rank for axis in _order(node, rank)]
    flow.give(node, [ids.transpose(order) for ids in flow.labels(source_of(node))])


def _order(node: Node, rank: int) -> Sequence[int]:
    name, order = operator(node), list(range(rank))
    if name == "permute":
        return argument(node, "dims")
    if name in ("movedim", "moveaxis"):
        return _moved(
            rank, *(argument(node, part) for part in ("source", "destination"))
        )
    pair = [argument(node, part) for part in ("dim0", "dim1")]
    if name in ("transpose", "swapaxes", "swapdims"):
        if None in pair:
            pair = [argument(node, part) for part in ("axis0", "axis1")]
        order[pair[0]], order[pair[1]] = order[pair[1]], order[pair[0]]
        return order
    return order[::-1] if name == "numpy_T" else [*order[:-2], *order[-2:][::-1]]


def _moved(rank: int, source: Any, destination: Any) -> list[int]:
    # The axes' own numbers, moved as the axes are.
    marks = np.empty(tuple(range(1, rank + 1)))
    return [length - 1 for length in np.moveaxis(marks, source, destination).shape]


def _expand(flow: Flow, node: Node) -> None:
    rank = len(shape(node))
    flow.give(node, [aligned(ids, rank) for ids in flow.labels(source_of(node))])


def _slice(flow: Flow, node: Node) -> None:
    axis = axis_of(node)
    window = slice(*(argument(node, part) for part in ("start", "end", "step")))
    _cut(flow, node, axis, window)


def _narrow(flow: Flow, node: Node) -> None:
    start = argument(node, "start")
    window = slice(start, start + argument(node, "length"))
    _cut(flow, node, axis_of(node), window)


def _cut(flow: Flow, node: Node, axis: int, window: slice) -> None:
    labels = flow.labels(source_of(node))
    if shape(node)[axis] == 1:
        _keep_whole(flow, node, labels, axis)
    flow.give(node, taken(labels, axis, window))


def taken(labels: Sequence[Ids], axis: int, window: slice) -> list[Ids]:
    """Give the atoms of a window of the axis."""
    cut = (slice(None),) * axis + (window,)
    return [ids[cut] if ids.shape[axis] > 1 else ids for ids in labels]


def _select(flow: Flow, node: Node) -> None:
    axis, labels = axis_of(node), flow.labels(source_of(node))
    _keep_whole(flow, node, labels, axis)
    flow.give(node, [_picked(ids, axis, argument(node, "index")) for ids in labels])


def _unbind(flow: Flow, node: Node) -> None:
    axis, labels = axis_of(node), flow.labels(source_of(node))
    _keep_whole(flow, node, labels, axis)
    _several(
        flow,
        node,
        [
            [_picked(ids, axis, index) for ids in labels]
            for index in range(shape(source_of(node))[axis])
        ],
    )


def _picked(ids: Ids, axis: int, index: int) -> Ids:
    return np.moveaxis(ids, axis, 0)[index if ids.shape[axis] > 1 else 0]


_PICKED = ", which picks entries by number"


def _keep_whole(flow: Flow, node: Node, labels: Sequence[Ids], axis: int) -> None:
    for ids in on_axis(tuple(labels), axis):
        whole = frozenset([axis % ids.ndim])
        flow.links.rectangle(ids, whole, flow.place(node), _PICKED)


def _split(flow: Flow, node: Node) -> None:
    """Cut an axis: equal parts must stay equal, other parts have their own lengths."""
    axis, labels = axis_of(node), flow.labels(source_of(node))
    lengths = [part.shape[axis] for part in node.meta["val"]]
    if min(lengths) == 1:
        _keep_whole(flow, node, labels, axis)
    ends = np.cumsum(lengths)
    parts = [
        taken(labels, axis, slice(end - length, end))
        for end, length in zip(ends, lengths, strict=True)
    ]
    sized = operator(node) == "split_with_sizes"
    if len(set(lengths)) == 1 and not sized:
        for part in parts[1:]:
            for one, other in zip(parts[0], part, strict=True):
                flow.links.tie(one, other, flow.place(node))
    elif not sized:
        flow.freeze(node, on_axis(labels, axis), ", which cuts parts of unequal length")
    _several(flow, node, parts)


def _several(flow: Flow, node: Node, parts: Sequence[Sequence[Ids]]) -> None:
    flow.values[node] = tuple(packed(part) for part in parts)


def _item(flow: Flow, node: Node) -> None:
    """Give one of the tensors of an operator that gives several."""
    values = flow.values.get(source_of(node), ())
    index = node.args[1]
    several = bool(values) and all(isinstance(part, tuple) for part in values)
    flow.give(node, values[index] if several else ())  # pyright: ignore


# Operators that join along an axis that their name says.
_STACKS = {"hstack": 1, "vstack": 0, "column_stack": 1, "dstack": 2}


def _joined_axis(node: Node) -> int:
    given = argument(node, "dim", _STACKS.get(operator(node), 0))
    return given % len(shape(node))


def _concatenate(flow: Flow, node: Node) -> None:
    """Put the atoms of the parts behind each other, NONE where a part has none."""
    parts = [part for part in tensors(node) if shape(part) != (0,)]
    axis = _joined_axis(node)
    every = [flow.labels(part) for part in parts]
    along = [ids for labels in every for ids in on_axis(labels, axis)]
    crossed = {other for ids in along for other in varying(ids)} | {axis}
    # What stands across the axis of the joined channels is joined with them.
    joint = [[ids for ids in labels if varying(ids) & crossed] for labels in every]
    lengths = tuple(
        shape(node)[other] if other in crossed and along else 1
        for other in range(len(shape(node)))
    )
    columns = [
        _filled(found[0] if found else None, lengths, axis, shape(part)[axis])
        for part, found in zip(parts, joint, strict=True)
    ]
    beside = [
        (
            tuple(x for x in labels if not varying(x) & crossed),
            _without(shape(part), axis),
        )
        for part, labels in zip(parts, every, strict=True)
    ]
    shared = joined(flow, node, beside)
    flow.give(node, [*([np.concatenate(columns, axis)] if along else []), *shared])


def _filled(ids: Ids | None, lengths: tuple[int, ...], axis: int, length: int) -> Ids:
    full = (*lengths[:axis], length, *lengths[axis + 1 :])
    return np.broadcast_to(np.full(1, NONE) if ids is None else ids, full)


def _without(lengths: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*lengths[:axis], 1, *lengths[axis + 1 :])


def _stack(flow: Flow, node: Node) -> None:
    axis = argument(node, "dim", 0) % len(shape(node))
    operands = [(flow.labels(part), shape(part)) for part in tensors(node)]
    shared = joined(flow, node, operands)
    flow.give(node, [np.expand_dims(ids, axis) for ids in shared])


def _pad(flow: Flow, node: Node) -> None:
    """Put entries that are no channels before and behind those of an axis."""
    amounts, rank = argument(node, "pad"), len(shape(node))
    found: list[Ids] = list(flow.labels(source_of(node)))
    for number in range(len(amounts) // 2):
        axis, ends = rank - 1 - number, amounts[2 * number : 2 * number + 2]
        if any(ends):
            found = [_padded(flow, node, ids, axis, ends) for ids in found]
    flow.give(node, found)


def _padded(flow: Flow, node: Node, ids: Ids, axis: int, ends: Sequence[int]) -> Ids:
    if ids.shape[axis] == 1:
        return ids
    if min(ends) < 0 or argument(node, "mode", "constant") != "constant":
        flow.freeze(node, [ids])
    widths = [(0, 0)] * ids.ndim
    widths[axis] = (max(ends[0], 0), max(ends[1], 0))
    cut = slice(max(-ends[0], 0), ids.shape[axis] - max(-ends[1], 0))
    kept = ids[(slice(None),) * axis + (cut,)]
    return np.pad(kept, widths, constant_values=NONE)


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        """view reshape flatten unflatten squeeze unsqueeze _unsafe_view view_as
        reshape_as ravel _reshape_copy view_copy squeeze_copy unsqueeze_copy""".split(),
        _reshape,
    ),
    **dict.fromkeys(
        """permute transpose swapaxes swapdims t movedim moveaxis mT numpy_T
        adjoint""".split(),
        _permute,
    ),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _expand),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "tensor_split"), _split),
    **dict.fromkeys(("cat", "concat", "concatenate", *_STACKS), _concatenate),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    "slice": _slice,
    "narrow": _narrow,
    "select": _select,
    "unbind": _unbind,
    "getitem": _item,
    "stack": _stack,
}
