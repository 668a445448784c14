"""Operators that put entries of an axis elsewhere, or several times."""

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling.exported import argument, operator, shape
from ccsolve_torch.coupling.flow import Flow, Rule, channels
from ccsolve_torch.coupling.labels import aligned, off_axis, on_axis, placed, varying
from ccsolve_torch.coupling.movement import axis_of, source_of, taken


def _flip(flow: Flow, node: Node) -> None:
    axes = tuple(axis % len(shape(node)) for axis in argument(node, "dims"))
    flow.give(node, [np.flip(ids, axes) for ids in flow.labels(source_of(node))])


def _roll(flow: Flow, node: Node) -> None:
    axes = argument(node, "dims") or range(len(shape(node)))
    mixed = [x for axis in axes for x in on_axis(flow.labels(source_of(node)), axis)]
    flow.freeze(node, mixed)
    flow.give(node, flow.labels(source_of(node)))


def _repeat(flow: Flow, node: Node) -> None:
    times = argument(node, "repeats") or argument(node, "dims")
    rank = len(shape(node))
    times = [1] * (rank - len(times)) + list(times)
    found = [aligned(ids, rank) for ids in flow.labels(source_of(node))]
    flow.give(
        node,
        [
            np.tile(ids, [n if ids.shape[a] > 1 else 1 for a, n in enumerate(times)])
            for ids in found
        ],
    )


def _repeat_interleave(flow: Flow, node: Node) -> None:
    times, axis = argument(node, "repeats"), argument(node, "dim")
    labels = flow.labels(source_of(node))
    if axis is None or not isinstance(times, int):
        flow.freeze(node, labels)
        flow.give(node, ())
        return
    axis %= len(shape(node))
    flow.give(node, [x.repeat(times, axis) if x.shape[axis] > 1 else x for x in labels])


def _pixel_shuffle(flow: Flow, node: Node) -> None:
    """Tie the r² channels that become one."""
    rank = len(shape(node))
    ids = channels(flow, node, source_of(node), rank - 3)
    squares = ids.reshape(-1, argument(node, "upscale_factor") ** 2)
    flow.links.tie_along(squares, 1, flow.place(node))
    flow.give(node, placed(squares[:, 0], rank - 3, rank))


def _pixel_unshuffle(flow: Flow, node: Node) -> None:
    rank, factor = len(shape(node)), argument(node, "downscale_factor")
    ids = channels(flow, node, source_of(node), rank - 3)
    flow.give(node, placed(ids.repeat(factor**2), rank - 3, rank))


def _channel_shuffle(flow: Flow, node: Node) -> None:
    ids = channels(flow, node, source_of(node), 1)
    table = ids.reshape(argument(node, "groups"), -1)
    flow.links.rectangle(table, frozenset(), flow.place(node))
    flow.give(node, placed(table.T.ravel(), 1, len(shape(node))))


def _glu(flow: Flow, node: Node) -> None:
    axis, labels = axis_of(node), flow.labels(source_of(node))
    half = shape(node)[axis]
    for ids in on_axis(labels, axis):
        parts = taken([ids], axis, slice(half)) + taken([ids], axis, slice(half, None))
        flow.links.tie(parts[0], parts[1], flow.place(node))
    flow.give(node, taken(labels, axis, slice(half)))


def _unfold(flow: Flow, node: Node) -> None:
    """Carry channels on through sliding windows: on a new axis, or behind channels."""
    if operator(node) == "im2col":
        taps = int(np.prod(argument(node, "kernel_size")))
        ids = channels(flow, node, source_of(node), 1)
        flow.give(node, placed(ids.repeat(taps), 1, len(shape(node))))
        return
    axis = axis_of(node, "dimension")
    labels = flow.labels(source_of(node))
    flow.freeze(node, on_axis(labels, axis))
    flow.give(node, [ids[..., None] for ids in off_axis(labels, axis)])


def _index(flow: Flow, node: Node) -> None:
    """Pick entries by a tensor of numbers, on axes that hold no channels."""
    given = argument(node, "indices")
    picked = [axis for axis, item in enumerate(given) if item is not None]
    labels = flow.labels(source_of(node))
    flow.freeze(node, [x for axis in picked for x in on_axis(labels, axis)])
    # Neighbouring picks leave their place; others go to the front.
    beside = picked[-1] - picked[0] == len(picked) - 1
    start = picked[0] if beside else 0
    left = [axis for axis in range(len(shape(source_of(node)))) if axis not in picked]
    rank = len(shape(node)) - len(left)
    kept = [ids for ids in labels if not varying(ids) & set(picked)]
    bare = [ids.reshape([ids.shape[axis] for axis in left]) for ids in kept]
    new = [
        ids.reshape(ids.shape[:start] + (1,) * rank + ids.shape[start:]) for ids in bare
    ]
    flow.give(node, new)


def _along_axis(flow: Flow, node: Node) -> None:
    """Pick entries along an axis that holds no channels; the others are carried on."""
    axis, labels = axis_of(node), flow.labels(source_of(node))
    flow.freeze(node, on_axis(labels, axis))
    flow.give(node, off_axis(labels, axis))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("repeat", "tile"), _repeat),
    **dict.fromkeys(("index_select", "gather"), _along_axis),
    **dict.fromkeys(("unfold", "im2col"), _unfold),
    "flip": _flip,
    "roll": _roll,
    "repeat_interleave": _repeat_interleave,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "channel_shuffle": _channel_shuffle,
    "glu": _glu,
    "index": _index,
}
