"""One pass over the operators of an exported model."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling import (
    contraction,
    layers,
    movement,
    pointwise,
    recurrence,
    shuffling,
)
from ccsolve_torch.coupling.exported import Exported, operator, shape
from ccsolve_torch.coupling.flow import Flow, Rule, tensors
from ccsolve_torch.coupling.links import Ids, Links

_RULES: dict[str, Rule] = {
    **movement.RULES,
    **shuffling.RULES,
    **layers.RULES,
    **contraction.RULES,
    **recurrence.RULES,
    **dict.fromkeys(("batch_norm", "instance_norm"), pointwise.batch_norm),
    **dict.fromkeys(("layer_norm", "rms_norm"), pointwise.layer_norm),
    "group_norm": pointwise.group_norm,
}

# Operators that only look at the size or kind of a tensor.
_LOOKS = frozenset(
    """_assert_tensor_metadata sym_size _assert_scalar new_zeros new_ones new_full
    new_empty new_empty_strided""".split()
)


def follow(exported: Exported) -> Flow:
    """Give the atoms of every value and all that the operators tie."""
    flow, live = Flow(exported), living(exported)
    for node in exported.nodes:
        if node.op == "placeholder":
            _begin(flow, node)
        elif node.op == "call_function" and node in live:
            _step(flow, node)
        elif node.op == "output":
            for ids in _read(flow, node):
                flow.links.freeze(ids, "is an output of the model")
    return flow


def followed_wholly(flow: Flow) -> dict[Node, Any]:
    """Give the atoms of every value, those too that no output depends on.

    What the latter tie counts for nothing; a module may still give them to its caller.
    """
    links = Links(axes=dict(flow.links.axes), count=flow.links.count)
    rest = Flow(flow.exported, links, dict(flow.values), set(flow.constant))
    for node in flow.exported.calls():
        if node not in rest.values:
            _step(rest, node)
    return rest.values


def living(exported: Exported) -> set[Node]:
    """Give the nodes that the outputs depend on, or that write into others."""
    live: set[Node] = set()
    for node in reversed(exported.nodes):
        schema = getattr(node.target, "_schema", None)
        writes = node.op == "output" or getattr(schema, "is_mutable", False)
        if writes or any(user in live for user in node.users):
            live.add(node)
    return live


def _begin(flow: Flow, node: Node) -> None:
    """Give a parameter or buffer one family of atoms for each of its axes."""
    if flow.name(node) is None:
        return
    flow.constant.add(node)
    lengths = shape(node)
    families: list[Ids] = []
    for axis, length in enumerate(lengths):
        ids = flow.atoms(node, axis)
        if ids is not None and length > 1:
            lead = (1,) * axis
            families.append(
                ids.reshape((*lead, length, *(1,) * (len(lengths) - axis - 1)))
            )
    flow.values[node] = tuple(families)


def _step(flow: Flow, node: Node) -> None:
    if operator(node) in _LOOKS:
        return
    sources = node.all_input_nodes
    if not _spread(flow, node) and all(source in flow.constant for source in sources):
        flow.constant.add(node)
    rule = _RULES.get(operator(node)) or pointwise.rule(node)
    if rule is not None and "val" in node.meta:
        rule(flow, node)
        return
    for ids in _read(flow, node):
        flow.links.freeze(ids, f"is read by {flow.place(node)}, which has no rule")


def _spread(flow: Flow, node: Node) -> bool:
    """Say whether a constant begins to be held once for each sample.

    It has their number along axis 0, which nothing that it is made from has.
    """
    first = (flow.exported.batch,)
    if "val" not in node.meta or _lengths(node)[:1] != first:
        return False
    made_from = [_lengths(source) for source in tensors(node)]
    return all(
        lengths[:1] != first and prod(lengths) < prod(_lengths(node))
        for lengths in made_from
    )


def _lengths(node: Node) -> tuple[int, ...]:
    return shape(node) if hasattr(node.meta["val"], "shape") else ()


def _read(flow: Flow, node: Node) -> Iterator[Any]:
    for source in node.all_input_nodes:
        yield from _arrays(flow.values.get(source, ()))


def _arrays(value: Any) -> Iterator[Ids]:
    if isinstance(value, np.ndarray):
        yield value
    else:
        for part in value:
            yield from _arrays(part)
