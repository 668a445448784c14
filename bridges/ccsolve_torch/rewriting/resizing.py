"""Numbers in a graph that are lengths of channel axes, written for fewer channels.

An operator such as view, slice or split holds them as literals. What they become
follows from which entries remain along the axes of what the operator reads and gives.
"""

from collections.abc import Callable
from operator import floordiv, mul
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Graph, Node

from ccsolve.errors import Unsupported
from ccsolve_torch.coupling.exported import argument, operator
from ccsolve_torch.rewriting.lengths import (
    Mask,
    Remains,
    Scaled,
    count,
    left_of,
    measures,
    now_and_free,
    number,
    settled,
    whole,
)

# By the names of an operator's arguments; "target" and "args" are another operator.
Changes = dict[str, Any]
Rule = Callable[[Node, Remains], Changes]


def resize(graph: Graph, remains: Remains) -> None:
    """Write the lengths of what remains into the graph's operators, in place.

    A number that the code computes from shapes stays so where that still gives what it
    should. Numbers that are no lengths keep the value they had.

    Raises
    ------
    Unsupported
        Where what remains cannot be said in the operator's own numbers.
    """
    # Changes are made at the end: rules read the numbers of the graph as it was.
    for node, values in changes(graph, remains):
        if "target" in values:
            node.target, node.args, node.kwargs = values["target"], values["args"], {}
        for name in values.keys() - {"target", "args"}:
            _write(node, name, _made(graph, node, values[name]))


def changes(graph: Graph, remains: Remains) -> list[tuple[Node, Changes]]:
    """Give what `resize` would write: operators, and their arguments by name."""
    return [
        (node, _RULES.get(operator(node), _kept)(node, remains))
        for node in graph.nodes
        if isinstance(node.target, torch._ops.OpOverload) and not measures(node)
    ]


def _made(graph: Graph, node: Node, value: Any) -> Any:
    """Give the value with nodes for the numbers that are to be computed."""
    if isinstance(value, list):
        return [_made(graph, node, part) for part in value]
    if not isinstance(value, Scaled):
        return value
    with graph.inserting_before(node):
        times = graph.call_function(mul, (value.number, value.ratio.numerator))
        return graph.call_function(floordiv, (times, value.ratio.denominator))


def _write(node: Node, name: str, value: Any) -> None:
    names = [declared.name for declared in node.target._schema.arguments]  # pyright: ignore
    place = names.index(name)
    if place < len(node.args):
        node.update_arg(place, value)
    else:
        node.update_kwarg(name, value)


# --- one rule for each kind of operator ------------------------------------------


def _kept(node: Node, remains: Remains) -> Changes:
    """Write out computed numbers that are no lengths: a scale by √channels."""
    schema = node.target._schema  # pyright: ignore[reportAttributeAccessIssue]
    found: Changes = {}
    for declared in schema.arguments:
        given = argument(node, declared.name)
        if isinstance(given, Node) and measures(given):
            was = number(given)
            if now_and_free(given, remains)[0] != was:
                found[declared.name] = was
    return found


def _sizes(node: Node, remains: Remains) -> Changes:
    """Write the lengths of the result: view, expand, zeros."""
    name = "shape" if argument(node, "shape") is not None else "size"
    given = argument(node, name)
    # A view may also be one of another kind of number.
    return {} if given is None else {name: _lengths(node, given, 0, remains)}


def _unflatten(node: Node, remains: Remains) -> Changes:
    sizes = argument(node, "sizes")
    rank = node.meta["val"].ndim
    axis = argument(node, "dim") % (rank - len(sizes) + 1)
    return {"sizes": _lengths(node, sizes, axis, remains)}


def _normalized(node: Node, remains: Remains) -> Changes:
    given = argument(node, "normalized_shape")
    first = node.meta["val"].ndim - len(given)
    return {"normalized_shape": _lengths(node, given, first, remains)}


def _lengths(node: Node, given: Any, first: int, remains: Remains) -> list[Any]:
    """Give the lengths of the result's axes from `first` on; -1 stays."""
    masks, lengths = remains(node, 0), node.meta["val"].shape
    return [
        length
        if length == -1
        else settled(length, left_of(masks[axis], lengths[axis]), remains)
        for axis, length in enumerate(given, start=first)
    ]


def _split(node: Node, remains: Remains) -> Changes:
    """Write the lengths of all parts."""
    axis = _axis(node)
    parts = range(len(node.meta["val"]))
    masks = [remains(node, part)[axis] for part in parts]
    if all(map(whole, masks)):
        return {}
    lengths = [
        left_of(mask, value.shape[axis])
        for value, mask in zip(node.meta["val"], masks, strict=True)
    ]
    for name in ("split_sizes", "split_size"):
        given = argument(node, name)
        if isinstance(given, list | tuple):
            return {name: lengths}
        if given is not None and len(set(lengths)) == 1:
            return {name: lengths[0]}
    target = torch.ops.aten.split_with_sizes.default
    return {"target": target, "args": (node.args[0], lengths, axis)}


def _along(rule: Callable[[Node, Mask], Changes]) -> Rule:
    """Give the rule for what picks from an axis: of a whole one all numbers stay."""

    def changed(node: Node, remains: Remains) -> Changes:
        mask = remains(_source(node), 0)[_axis(node)]
        if whole(mask):
            return _kept(node, remains)
        assert mask is not None
        return rule(node, mask)

    return changed


@_along
def _slice(node: Node, mask: Mask) -> Changes:
    parts = (number(argument(node, part)) for part in ("start", "end", "step"))
    taken = range(len(mask))[slice(*parts)]
    left = _places(mask, taken)
    step = int(left[1] - left[0]) if len(left) > 1 else 1
    _check(node, step > 0 and (np.diff(left) == step).all())
    first = int(left[0]) if len(left) else 0
    end = int(left[-1]) + 1 if len(left) else 0
    return {"start": first, "end": end, "step": step}


@_along
def _narrow(node: Node, mask: Mask) -> Changes:
    start = number(argument(node, "start")) % len(mask)
    length = number(argument(node, "length"))
    return {
        "start": count(mask[:start]),
        "length": count(mask[start : start + length]),
    }


@_along
def _select(node: Node, mask: Mask) -> Changes:
    index = number(argument(node, "index")) % len(mask)
    _check(node, bool(mask[index]))
    return {"index": count(mask[:index])}


def _pad(node: Node, remains: Remains) -> Changes:
    """Write how much of what is put before and behind an axis remains."""
    given, masks = list(argument(node, "pad")), remains(node, 0)
    for pair in range(len(given) // 2):
        mask = masks[-1 - pair]
        before, behind = (number(given[2 * pair + end]) for end in (0, 1))
        if not whole(mask) and min(before, behind) >= 0:
            assert mask is not None
            given[2 * pair] = count(mask[:before])
            given[2 * pair + 1] = count(mask[len(mask) - behind :])
    return {"pad": given}


def _repeat(node: Node, remains: Remains) -> Changes:
    name = "dims" if operator(node) == "tile" else "repeats"
    given = list(argument(node, name))
    before, after = remains(_source(node), 0), remains(node, 0)
    lead = len(given) - len(before)
    for axis, mask in enumerate(after[-len(given) :] if given else ()):
        held = before[axis - lead] if axis >= lead else None
        if not whole(mask):
            length = 1 if held is None else count(held)
            given[axis] = count(mask) // length
            _check(node, given[axis] * length == count(mask))
    return {name: given}


def _groups(node: Node, remains: Remains) -> Changes:
    """Write how many groups of neighbouring channels remain."""
    name = "num_groups" if operator(node) == "group_norm" else "groups"
    groups, mask = argument(node, name), remains(_source(node), 0)[1]
    if groups == 1 or whole(mask):
        return {}
    assert mask is not None
    left = mask.reshape(groups, -1).sum(axis=1)
    _check(node, len(set(left[left > 0])) == 1)
    return {name: int((left > 0).sum())}


def _strided(node: Node, remains: Remains) -> Changes:
    masks = [*remains(node, 0), *remains(_source(node), 0)]
    _check(node, all(map(whole, masks)))
    return {}


_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        """view reshape _unsafe_view view_copy expand broadcast_to zeros ones full
        empty rand randn new_zeros new_ones new_full new_empty""".split(),
        _sizes,
    ),
    **dict.fromkeys(("layer_norm", "rms_norm"), _normalized),
    **dict.fromkeys(
        """split split_with_sizes unsafe_split chunk unsafe_chunk
        tensor_split""".split(),
        _split,
    ),
    **dict.fromkeys(("narrow", "narrow_copy"), _narrow),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys(("repeat", "tile"), _repeat),
    **dict.fromkeys(
        ("group_norm", "channel_shuffle", "native_channel_shuffle"), _groups
    ),
    **dict.fromkeys(
        [f"conv{kind}{axes}d" for kind in ("", "_transpose") for axes in (1, 2, 3)],
        _groups,
    ),
    "unflatten": _unflatten,
    "slice": _slice,
    "select": _select,
    "as_strided": _strided,
}


def sized(node: Node) -> bool:
    """Say whether the operator holds numbers that may be lengths of channel axes."""
    return node.op == "call_function" and operator(node) in _RULES


def _places(mask: Mask, taken: range) -> NDArray[np.int64]:
    """Give where the taken entries stand among those that remain."""
    places = np.cumsum(mask) - 1
    return np.array([places[i] for i in taken if mask[i]], dtype=np.int64)


def _source(node: Node) -> Node:
    source = node.args[0]
    assert isinstance(source, Node)
    return source


def _axis(node: Node) -> int:
    return argument(node, "dim", 0) % _source(node).meta["val"].ndim


def _check(node: Node, sound: Any) -> None:
    if not sound:
        raise Unsupported(
            f"{operator(node)} picks channels by number so that what remains cannot be "
            f"told by its numbers; keep other channels, or freeze this layer"
        )
