"""Operators that move entries without changing them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling.flow import Flow, Rule, channels, joined, tensors
from ccsolve_torch.coupling.labels import (
    aligned,
    off_axis,
    on_axis,
    packed,
    placed,
    reshaped,
    varying,
)
from ccsolve_torch.coupling.links import NONE, Ids
from ccsolve_torch.exported import argument, operator, shape


def _source(node: Node) -> Any:
    return node.args[0]


def _axis(node: Node, name: str = "dim") -> int:
    return argument(node, name, 0) % len(shape(_source(node)))


def _reshape(flow: Flow, node: Node) -> None:
    before, after = shape(_source(node)), shape(node)
    # Where two families come to stand on one axis, the outer one's channels can go.
    labels = sorted(flow.labels(_source(node)), key=lambda ids: min(varying(ids)))
    flow.give(node, [reshaped(ids, before, after) for ids in labels])


def _permute(flow: Flow, node: Node) -> None:
    rank = len(shape(_source(node)))
    order = [axis % rank for axis in _order(node, rank)]
    flow.give(node, [ids.transpose(order) for ids in flow.labels(_source(node))])


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
    flow.give(node, [aligned(ids, rank) for ids in flow.labels(_source(node))])


def _slice(flow: Flow, node: Node) -> None:
    axis = _axis(node)
    window = slice(*(argument(node, part) for part in ("start", "end", "step")))
    _cut(flow, node, axis, window)


def _narrow(flow: Flow, node: Node) -> None:
    start = argument(node, "start")
    window = slice(start, start + argument(node, "length"))
    _cut(flow, node, _axis(node), window)


def _cut(flow: Flow, node: Node, axis: int, window: slice) -> None:
    labels = flow.labels(_source(node))
    if shape(node)[axis] == 1:
        _keep_whole(flow, node, labels, axis)
    flow.give(node, _taken(labels, axis, window))


def _taken(labels: Sequence[Ids], axis: int, window: slice) -> list[Ids]:
    cut = (slice(None),) * axis + (window,)
    return [ids[cut] if ids.shape[axis] > 1 else ids for ids in labels]


def _select(flow: Flow, node: Node) -> None:
    axis, labels = _axis(node), flow.labels(_source(node))
    _keep_whole(flow, node, labels, axis)
    flow.give(node, [_picked(ids, axis, argument(node, "index")) for ids in labels])


def _unbind(flow: Flow, node: Node) -> None:
    axis, labels = _axis(node), flow.labels(_source(node))
    _keep_whole(flow, node, labels, axis)
    _several(
        flow,
        node,
        [
            [_picked(ids, axis, index) for ids in labels]
            for index in range(shape(_source(node))[axis])
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
    axis, labels = _axis(node), flow.labels(_source(node))
    lengths = [part.shape[axis] for part in node.meta["val"]]
    if min(lengths) == 1:
        _keep_whole(flow, node, labels, axis)
    ends = np.cumsum(lengths)
    parts = [
        _taken(labels, axis, slice(end - length, end))
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
    values = flow.values.get(_source(node), ())
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
    found: list[Ids] = list(flow.labels(_source(node)))
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


def _flip(flow: Flow, node: Node) -> None:
    axes = tuple(axis % len(shape(node)) for axis in argument(node, "dims"))
    flow.give(node, [np.flip(ids, axes) for ids in flow.labels(_source(node))])


def _roll(flow: Flow, node: Node) -> None:
    axes = argument(node, "dims") or range(len(shape(node)))
    mixed = [x for axis in axes for x in on_axis(flow.labels(_source(node)), axis)]
    flow.freeze(node, mixed)
    flow.give(node, flow.labels(_source(node)))


def _repeat(flow: Flow, node: Node) -> None:
    times = argument(node, "repeats") or argument(node, "dims")
    rank = len(shape(node))
    times = [1] * (rank - len(times)) + list(times)
    found = [aligned(ids, rank) for ids in flow.labels(_source(node))]
    flow.give(
        node,
        [
            np.tile(ids, [n if ids.shape[a] > 1 else 1 for a, n in enumerate(times)])
            for ids in found
        ],
    )


def _repeat_interleave(flow: Flow, node: Node) -> None:
    times, axis = argument(node, "repeats"), argument(node, "dim")
    labels = flow.labels(_source(node))
    if axis is None or not isinstance(times, int):
        flow.freeze(node, labels)
        flow.give(node, ())
        return
    axis %= len(shape(node))
    flow.give(node, [x.repeat(times, axis) if x.shape[axis] > 1 else x for x in labels])


def _pixel_shuffle(flow: Flow, node: Node) -> None:
    """Tie the r² channels that become one."""
    rank = len(shape(node))
    ids = channels(flow, node, _source(node), rank - 3)
    squares = ids.reshape(-1, argument(node, "upscale_factor") ** 2)
    flow.links.tie_along(squares, 1, flow.place(node))
    flow.give(node, placed(squares[:, 0], rank - 3, rank))


def _pixel_unshuffle(flow: Flow, node: Node) -> None:
    rank, factor = len(shape(node)), argument(node, "downscale_factor")
    ids = channels(flow, node, _source(node), rank - 3)
    flow.give(node, placed(ids.repeat(factor**2), rank - 3, rank))


def _channel_shuffle(flow: Flow, node: Node) -> None:
    ids = channels(flow, node, _source(node), 1)
    table = ids.reshape(argument(node, "groups"), -1)
    flow.links.rectangle(table, frozenset(), flow.place(node))
    flow.give(node, placed(table.T.ravel(), 1, len(shape(node))))


def _glu(flow: Flow, node: Node) -> None:
    axis, labels = _axis(node), flow.labels(_source(node))
    half = shape(node)[axis]
    for ids in on_axis(labels, axis):
        parts = _taken([ids], axis, slice(half)) + _taken(
            [ids], axis, slice(half, None)
        )
        flow.links.tie(parts[0], parts[1], flow.place(node))
    flow.give(node, _taken(labels, axis, slice(half)))


def _unfold(flow: Flow, node: Node) -> None:
    """Carry channels on through sliding windows: on a new axis, or behind channels."""
    if operator(node) == "im2col":
        taps = int(np.prod(argument(node, "kernel_size")))
        ids = channels(flow, node, _source(node), 1)
        flow.give(node, placed(ids.repeat(taps), 1, len(shape(node))))
        return
    axis = _axis(node, "dimension")
    labels = flow.labels(_source(node))
    flow.freeze(node, on_axis(labels, axis))
    flow.give(node, [ids[..., None] for ids in off_axis(labels, axis)])


def _index(flow: Flow, node: Node) -> None:
    """Pick entries by a tensor of numbers, on axes that hold no channels."""
    given = argument(node, "indices")
    picked = [axis for axis, item in enumerate(given) if item is not None]
    labels = flow.labels(_source(node))
    flow.freeze(node, [x for axis in picked for x in on_axis(labels, axis)])
    # Neighbouring picks leave their place; others go to the front.
    beside = picked[-1] - picked[0] == len(picked) - 1
    start = picked[0] if beside else 0
    left = [axis for axis in range(len(shape(_source(node)))) if axis not in picked]
    rank = len(shape(node)) - len(left)
    kept = [ids for ids in labels if not varying(ids) & set(picked)]
    bare = [ids.reshape([ids.shape[axis] for axis in left]) for ids in kept]
    new = [
        ids.reshape(ids.shape[:start] + (1,) * rank + ids.shape[start:]) for ids in bare
    ]
    flow.give(node, new)


def _along_axis(flow: Flow, node: Node) -> None:
    """Pick entries along an axis that holds no channels; the others are carried on."""
    axis, labels = _axis(node), flow.labels(_source(node))
    flow.freeze(node, on_axis(labels, axis))
    flow.give(node, off_axis(labels, axis))


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
    **dict.fromkeys(("repeat", "tile"), _repeat),
    **dict.fromkeys(("index_select", "gather"), _along_axis),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys(("unfold", "im2col"), _unfold),
    "slice": _slice,
    "narrow": _narrow,
    "select": _select,
    "unbind": _unbind,
    "getitem": _item,
    "stack": _stack,
    "flip": _flip,
    "roll": _roll,
    "repeat_interleave": _repeat_interleave,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "channel_shuffle": _channel_shuffle,
    "glu": _glu,
    "index": _index,
}
