"""Convolutions, linear maps and embeddings: they end channels and make new ones."""

from math import prod
from typing import Any

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling.exported import argument, shape
from ccsolve_torch.coupling.flow import (
    Flow,
    LayerCall,
    Product,
    Rule,
    channels,
    owner,
    spread,
    vector,
)
from ccsolve_torch.coupling.labels import off_axis, placed, varying
from ccsolve_torch.coupling.links import NONE, Ids

CONVOLUTIONS = {
    f"conv{mark}{axes}d": axes for mark in ("", "_transpose") for axes in (1, 2, 3)
}


def linear(flow: Flow, node: Node) -> None:
    """Y = W x + b on the last axis."""
    source, weight = node.args[:2]
    ids = channels(flow, node, source, -1)
    made = _plain(flow, node, weight, ids, inner=1, outer=0)
    _bias(flow, node, made)
    _called(flow, node, "linear", ids, made)
    beside = off_axis(flow.labels(source), -1)
    _cost(flow, node, (ids, made), 1, beside)
    flow.give(node, [*spread(made, -1, len(shape(node))), *beside])


def convolution(flow: Flow, node: Node) -> None:
    """A convolution, transposed or not; its kernel's axes stand behind the channels."""
    name = str(node.target).split(".")[1]
    axes, transposed = CONVOLUTIONS[name], "transpose" in name
    source, weight = node.args[:2]
    axis, groups = len(shape(node)) - 1 - axes, argument(node, "groups", 1)
    ids = channels(flow, node, source, axis)
    inner, outer = (0, 1) if transposed else (1, 0)
    if groups == 1:
        made = _plain(flow, node, weight, ids, inner, outer)
        factors = (ids, made)
    else:
        made = _grouped(flow, node, ids, groups, outer)
        factors = (ids if transposed else made,)
    _bias(flow, node, made)
    _called(flow, node, "conv_transpose" if transposed else "conv", ids, made)
    kept = _beside(flow, node, off_axis(flow.labels(source), axis), axis)
    _cost(flow, node, factors, prod(shape(weight)[2:]), kept)  # pyright: ignore
    flow.give(node, [*placed(made, axis, len(shape(node))), *kept])


def embedding(flow: Flow, node: Node) -> None:
    """Make channels on a new last axis; which row is read depends on the data."""
    weight = node.args[0]
    labels, lengths = flow.labels(weight), shape(weight)  # pyright: ignore
    rows, made = (_column(labels, axis, lengths[axis]) for axis in (0, 1))
    flow.links.bear(owner(flow, node, weight), made)
    flow.freeze(node, [rows], " by row numbers")
    flow.counted(node, "embedding_dim", made)
    flow.give(node, spread(made, -1, len(shape(node))))


def _plain(
    flow: Flow, node: Node, weight: Any, ids: Ids, inner: int, outer: int
) -> Ids:
    """Tie the input's channels to the weight's axis `inner`; give those it makes."""
    labels, lengths = flow.labels(weight), shape(weight)
    name = flow.exported.weight_name(weight)
    if name is None:
        flow.freeze(node, [ids], ", which computes its weight")
    else:
        flow.read(node, name, ids)
    flow.links.tie(_column(labels, inner, lengths[inner]), ids, flow.place(node))
    made = _column(labels, outer, lengths[outer])
    flow.links.bear(owner(flow, node, weight), made)
    layer = owner(flow, node, weight)
    flow.counted(node, "in_channels", ids, layer)
    flow.counted(node, "out_channels", made, layer)
    return made


def _grouped(flow: Flow, node: Node, ids: Ids, groups: int, outer: int) -> Ids:
    """Make whole groups of the convolution classes: inputs and outputs go together."""
    weight = node.args[1]
    labels, lengths = flow.labels(weight), shape(weight)  # pyright: ignore
    table = ids.reshape(groups, -1)
    flow.links.tie_along(table, 1, flow.place(node))
    first = _column(labels, 0, lengths[0]).reshape(groups, -1)
    flow.links.tie(first, table[:, :1], flow.place(node))
    if outer == 0:
        made = first.ravel()
        flow.links.bear(owner(flow, node, weight), made)
    else:
        made = table[:, 0].repeat(lengths[1])
    layer = owner(flow, node, weight)
    flow.counted(node, "groups", table[:, 0], layer)
    flow.counted(node, "in_channels", ids, layer)
    flow.counted(node, "out_channels", made, layer)
    return made


def _column(labels: tuple[Ids, ...], axis: int, length: int) -> Ids:
    """Give the atoms of one axis of a weight, NONE where it has none of its own."""
    for ids in labels:
        if ids.shape[axis] == ids.size > 1:
            return ids.ravel()
    return np.full(length, NONE)


def _bias(flow: Flow, node: Node, made: Ids) -> None:
    if argument(node, "bias") is not None:
        vector(flow, node, "bias", made)


def _called(flow: Flow, node: Node, kind: str, ids: Ids, made: Ids) -> None:
    weight, bias = (flow.name(argument(node, part)) for part in ("weight", "bias"))
    plain = bias is not None or argument(node, "bias") is None
    if weight is not None and plain:
        groups = argument(node, "groups", 1)
        flow.calls.append(LayerCall(node, kind, weight, bias, ids, made, groups))


def _beside(flow: Flow, node: Node, labels: list[Ids], axis: int) -> list[Ids]:
    """Give the channels on other axes; freeze those along which the kernel reaches."""
    kept = []
    for ids in labels:
        along = [place_ for place_ in varying(ids) if place_ > axis]
        if all(_stays(node, place_ - axis - 1) for place_ in along):
            kept.append(ids)
        else:
            flow.freeze(node, [ids], " along an axis of its kernel")
    return kept


def _stays(node: Node, axis: int) -> bool:
    """Say whether the convolution treats every entry along a kernel axis alone."""
    taps = shape(node.args[1])[2 + axis]  # pyright: ignore[reportArgumentType]
    moves = [argument(node, part, still) for part, still in _STILL.items()]
    at = [
        given[axis % len(given)] if isinstance(given, list | tuple) else given
        for given in moves
    ]
    return taps == 1 and at == list(_STILL.values())


_STILL = {"stride": 1, "padding": 0}


def _cost(
    flow: Flow, node: Node, factors: tuple[Ids, ...], taps: int, beside: list[Ids]
) -> None:
    """Count positions · taps · inputs of a filter · filters, per sample.

    A transposed convolution multiplies at its input's positions; channels on the axes
    of positions are factors too.
    """
    if node in flow.constant:
        return
    counted = node.args[0] if "transpose" in str(node.target) else node
    weight = shape(node.args[1])  # pyright: ignore[reportArgumentType]
    lengths = shape(counted)  # pyright: ignore[reportArgumentType]
    width = len(factors[0]) if counted is not node else len(factors[-1])
    positions = prod(lengths) / (flow.exported.batch * width)
    own = [ids for ids in factors if (ids != NONE).any()]
    scale = positions * prod(weight) / prod(len(factor) for factor in own)
    scale /= prod(ids.size for ids in beside)
    more = [ids.ravel() for ids in beside]
    name = flow.exported.weight_name(node.args[1])
    kind = "linear" if taps == 1 and "linear" in str(node.target) else "conv"
    flow.products.append(Product(node, kind, scale, (*more, *own), name))


RULES: dict[str, Rule] = {
    **dict.fromkeys(CONVOLUTIONS, convolution),
    "linear": linear,
    "embedding": embedding,
}
