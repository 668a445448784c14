"""Products of two activations, and attention: sums over an axis that both share."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling.exported import argument, operator, shape
from ccsolve_torch.coupling.flow import (
    Flow,
    Product,
    Rule,
    joined,
    owner,
)
from ccsolve_torch.coupling.labels import Labels, varying
from ccsolve_torch.coupling.links import Ids

_ELLIPSIS = "ABCDEFGH"


def _matmul(flow: Flow, node: Node) -> None:
    a, b = node.args[:2]
    ranks = [len(shape(part)) for part in (a, b)]  # pyright: ignore
    batch = _ELLIPSIS[: max(*ranks, 2) - 2]
    left = ("" if ranks[0] == 1 else batch[len(batch) - ranks[0] + 2 :] + "m") + "k"
    right = ("" if ranks[1] == 1 else batch[len(batch) - ranks[1] + 2 :]) + "k"
    right += "" if ranks[1] == 1 else "n"
    out = batch + ("m" if ranks[0] > 1 else "") + ("n" if ranks[1] > 1 else "")
    flow.give(node, contracted(flow, node, [(a, left), (b, right)], out))


def _addmm(flow: Flow, node: Node) -> None:
    """Give b + x @ W."""
    bias, a, b = node.args[:3]
    product = contracted(flow, node, [(a, "mk"), (b, "kn")], "mn")
    flow.give(node, joined(flow, node, [(product, shape(node)), _side(flow, bias)]))


def _baddbmm(flow: Flow, node: Node) -> None:
    bias, a, b = node.args[:3]
    product = contracted(flow, node, [(a, "bmk"), (b, "bkn")], "bmn")
    flow.give(node, joined(flow, node, [(product, shape(node)), _side(flow, bias)]))


def _einsum(flow: Flow, node: Node) -> None:
    equation = str(node.args[0]).replace(" ", "")
    operands = [part for part in node.args[1] if isinstance(part, Node)]  # pyright: ignore
    letters = _letters(equation, operands, len(shape(node)))
    if letters is None:
        flow.freeze(node, [x for part in operands for x in flow.labels(part)])
        flow.give(node, ())
        return
    named = list(zip(operands, letters[:-1], strict=True))
    flow.give(node, contracted(flow, node, named, letters[-1]))


def _letters(equation: str, operands: Sequence[Node], rank: int) -> list[str] | None:
    """Give the letters of every operand and of the result, ellipses spelled out.

    None for a letter that stands twice in one operand, and for an implied result.
    """
    sides = equation.replace("->", ",").split(",")
    if "->" not in equation or len(sides) != len(operands) + 1:
        return None
    ranks = [*(len(shape(part)) for part in operands), rank]
    full = [
        side.replace("...", _ELLIPSIS[len(_ELLIPSIS) - (count - len(side) + 3) :])
        if "..." in side
        else side
        for side, count in zip(sides, ranks, strict=True)
    ]
    return full if all(len(set(side)) == len(side) for side in full) else None


def _attention(flow: Flow, node: Node) -> None:
    """Scaled dot products of queries and keys along their last axis, then values."""
    q, k, v = node.args[:3]
    batch = _ELLIPSIS[: len(shape(q)) - 2]  # pyright: ignore
    heads = _grouped_heads(flow, q, k, v) if argument(node, "enable_gqa", False) else {}
    scores = contracted(
        flow, node, [(q, batch + "md"), (k, batch + "nd")], batch + "mn", heads
    )
    lengths = (*shape(q)[:-1], shape(k)[-2])  # pyright: ignore
    mask = argument(node, "attn_mask")
    if mask is not None:
        scores = joined(flow, node, [(scores, lengths), _side(flow, mask)])
    values = heads.get(v, flow.labels(v))
    sides = [(scores, lengths, batch + "mn"), (values, _lengths(v, q), batch + "ne")]
    flow.give(node, _contracted(flow, node, sides, batch + "me"))


def _grouped_heads(flow: Flow, q: Any, *others: Any) -> dict[Any, Labels]:
    """Give keys' and values' atoms with every head repeated for its queries."""
    found = {}
    for part in others:
        times = shape(q)[-3] // shape(part)[-3]
        found[part] = tuple(
            ids.repeat(times, -3) if ids.shape[-3] > 1 else ids
            for ids in flow.labels(part)
        )
    return found


def _lengths(part: Any, q: Any) -> tuple[int, ...]:
    return (*shape(q)[:-2], *shape(part)[-2:])


def _side(flow: Flow, part: Any) -> tuple[Labels, tuple[int, ...]]:
    return flow.labels(part), shape(part)


def contracted(
    flow: Flow,
    node: Node,
    operands: Sequence[tuple[Any, str]],
    out: str,
    instead: dict[Any, Labels] | None = None,
) -> Labels:
    """Give the atoms of an Einstein sum; letters that the result lacks are summed.

    A product with a parameter is a layer: it reads the channels along the summed axis
    and makes those along the parameter's other axis. In a product of activations all
    channels along a summed axis are one class: the sum mixes them in a place that no
    gate sees. `instead` gives other atoms for operands whose heads are repeated.
    """
    known = instead or {}
    sides = [
        (known.get(part, flow.labels(part)), shape(part), letters)
        for part, letters in operands
    ]
    if known:
        sides = [(x, _repeated(n, sides[0][1]), letters) for x, n, letters in sides]
    weight = _weight(flow, node, [part for part, _ in operands])
    return _contracted(flow, node, sides, out, weight)


def _weight(flow: Flow, node: Node, operands: Sequence[Any]) -> int | None:
    """Give the place of the one operand that is a parameter beside an activation."""
    named = [flow.exported.weight_name(part) is not None for part in operands]
    if len(operands) != 2 or sum(named) != 1 or node in flow.constant:
        return None
    return named.index(True)


def _repeated(lengths: tuple[int, ...], model: tuple[int, ...]) -> tuple[int, ...]:
    return (*model[:-2], *lengths[-2:])


def _contracted(
    flow: Flow,
    node: Node,
    sides: Sequence[tuple[Labels, tuple[int, ...], str]],
    out: str,
    weight: int | None = None,
) -> Labels:
    every = "".join(dict.fromkeys("".join(letters for *_, letters in sides)))
    opened = [
        (
            tuple(_opened(ids, letters, every) for ids in labels),
            _full(n, letters, every),
        )
        for labels, n, letters in sides
    ]
    summed = [place_ for place_, letter in enumerate(every) if letter not in out]
    name = None
    if weight is not None:
        name = flow.exported.weight_name(_operands(node)[weight])
        _layer(flow, node, opened[weight], opened[1 - weight], summed, name)
    families = joined(flow, node, opened)
    _count(flow, node, families, [lengths for _, lengths in opened], name)
    if weight is None:
        _mix(flow, node, families, summed)
    return tuple(_closed(ids, every, out) for ids in families)


def _mix(flow: Flow, node: Node, families: Labels, axes: Sequence[int]) -> None:
    for ids in families:
        for axis in axes:
            flow.links.tie_along(ids, axis, flow.place(node))


Side = tuple[Labels, tuple[int, ...]]


def _layer(
    flow: Flow, node: Node, weight: Side, x: Side, summed: Sequence[int], name: Any
) -> None:
    """Read the channels of x along the first summed axis; note those that are made.

    Where x has channels on an axis that the weight has too, the sum is taken within
    each of them: then they are mixed within themselves.
    """
    for ids in weight[0]:
        if not varying(ids) & set(summed):
            flow.links.bear(owner(flow, node, _operands(node)[_at(flow, node)]), ids)
    read = False
    for axis, ids in ((axis, ids) for axis in summed for ids in x[0]):
        if ids.shape[axis] == 1:
            continue
        beside = varying(ids) - {axis}
        if read or any(weight[1][other] > 1 for other in beside):
            flow.links.tie_along(ids, axis, flow.place(node))
            continue
        for other in beside:
            flow.links.tie_along(ids, other, flow.place(node))
        column = np.moveaxis(ids, axis, -1).reshape(-1, ids.shape[axis])[0]
        flow.read(node, name, column)
        read = True


def _at(flow: Flow, node: Node) -> int:
    place_ = _weight(flow, node, _operands(node))
    assert place_ is not None
    return place_


def _operands(node: Node) -> list[Any]:
    """Give the two factors of a product."""
    if operator(node) == "einsum":
        return list(node.args[1])  # pyright: ignore[reportArgumentType]
    return list(node.args[1:3] if "add" in operator(node) else node.args[:2])


def _opened(ids: Ids, letters: str, every: str) -> Ids:
    """Give the array with one axis for each letter of `every`."""
    order = [letters.index(letter) for letter in every if letter in letters]
    moved = ids.transpose(order)
    lengths = iter(moved.shape)
    return moved.reshape([next(lengths) if x in letters else 1 for x in every])


def _full(lengths: tuple[int, ...], letters: str, every: str) -> tuple[int, ...]:
    return tuple(lengths[letters.index(x)] if x in letters else 1 for x in every)


def _closed(ids: Ids, every: str, out: str) -> Ids:
    """Give the array on the axes of the result alone."""
    left = [letter for letter in every if letter in out]
    gone = tuple(0 if letter not in out else slice(None) for letter in every)
    return ids[gone].transpose([left.index(letter) for letter in out])


def _count(
    flow: Flow,
    node: Node,
    families: Labels,
    sizes: Sequence[tuple[int, ...]],
    weight: str | None,
) -> None:
    """Count one multiply-accumulate for every combination of the letters' values."""
    if node in flow.constant:
        return
    lengths = tuple(int(n) for n in np.max(sizes, axis=0))
    whole = [ids for ids in families if varying(ids)]
    marked = {axis for ids in whole for axis in varying(ids)}
    scale = prod(n for axis, n in enumerate(lengths) if axis not in marked)
    factors = tuple(ids.ravel() for ids in whole)
    kind = "attention" if operator(node) == "scaled_dot_product_attention" else "matmul"
    scale /= flow.exported.batch
    flow.products.append(Product(node, kind, scale, factors, weight))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("matmul", "mm", "bmm"), _matmul),
    "addmm": _addmm,
    "baddbmm": _baddbmm,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
}
