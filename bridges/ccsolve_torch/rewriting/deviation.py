"""Where a smaller model first computes something else than the larger one."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg

from ccsolve.errors import WrongAnswer
from ccsolve_torch.coupling.exported import module_path, place
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph
from ccsolve_torch.rewriting.attributes import kept_classes
from ccsolve_torch.rewriting.expectation import Sizes
from ccsolve_torch.rewriting.lengths import Mask
from ccsolve_torch.rewriting.owncode import is_operator
from ccsolve_torch.running.comparison import difference_of, tolerance
from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import evaluating

Step = tuple[Node, list[Tensor]]


def deviation(model: nn.Module, small: nn.Module, graph: Graph, keep: Keep) -> str:
    """Say which operator of the smaller model is the first to give something else.

    Both models are exported and run operator by operator on two samples, the larger
    one with zeros wherever the smaller one has lost something. For a message: "" where
    there is no such operator, or where the smaller model cannot be exported.
    """
    try:
        node = _first(model, small, graph, keep)
    except Exception:  # what the message explains is an error already
        return ""
    if node is None:
        return ""
    stays = ", ".join(map(repr, _layers(graph, node))) or "..."
    return (
        f", first in {place(node)}; declare that the channels stay: "
        f"Declared(ignore=[{stays}])"
    )


def _first(model: nn.Module, small: nn.Module, graph: Graph, keep: Keep) -> Node | None:
    """Give the first operator of the graph that gives other values, if any does."""
    sizes, most = Sizes(graph, kept_classes(graph, keep)), tolerance(model)
    nodes = [node for node in graph.exported.nodes if is_operator(node)]
    given = graph.exported.example
    larger, smaller = (
        _steps(net, given) for net in (_zeroed(model, graph, keep), small)
    )
    for node, (one, wanted), (other, found) in zip(
        nodes, larger, smaller, strict=False
    ):
        masks = [sizes.masks(node, part) for part in range(len(wanted))]
        remaining = [_remaining(*pair) for pair in zip(wanted, masks, strict=True)]
        if one.target != other.target or _differ(remaining, found, most):
            return node
    return None


def _zeroed(model: nn.Module, graph: Graph, keep: Keep) -> nn.Module:
    """Give a copy in which the weights that read a removed channel are zero there."""
    copied = copy.deepcopy(model)
    for name, group in graph.groups.items():
        readers = {read.weight for read in group.reads}
        for slot in (slot for slot in group.slots if slot.tensor in readers):
            gone = (slot.classes >= 0) & ~np.isin(slot.classes, keep[name])
            weight = copied.get_parameter(slot.tensor).data
            places = torch.from_numpy(np.flatnonzero(gone)).to(weight.device)
            weight.index_fill_(slot.axis, places, 0)
    return copied


def _steps(model: nn.Module, inputs: tuple[Tensor, ...]) -> Iterator[Step]:
    """Run the exported model; give every operator with the tensors that it gives."""
    with evaluating(model), spelled_out(model, whole=False), torch.no_grad():
        program = torch.export.export(model, inputs)
    held: dict[Node, Any] = dict(_placeholders(program, inputs))
    with torch.no_grad():
        for node in program.graph.nodes:
            if node.op != "call_function":
                continue
            args, kwargs = map_arg((node.args, node.kwargs), held.__getitem__)
            held[node] = node.target(*args, **kwargs)
            if is_operator(node):
                value = held[node]
                yield node, list(value) if isinstance(value, tuple | list) else [value]


def _placeholders(
    program: ExportedProgram, inputs: tuple[Tensor, ...]
) -> Iterator[tuple[Node, Any]]:
    """Give the tensors of the model and its inputs, by their nodes."""
    signature, given = program.graph_signature, iter(inputs)
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    values = {**program.constants, **program.state_dict}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            known = node.name in names
            yield node, values[names[node.name]] if known else next(given)


def _remaining(value: Tensor, masks: Sequence[Mask | None]) -> Tensor:
    """Give the entries of a tensor that remain."""
    for axis, mask in enumerate(masks):
        if mask is not None:
            places = torch.from_numpy(np.flatnonzero(mask)).to(value.device)
            value = value.index_select(axis, places)
    return value


def _differ(wanted: list[Tensor], found: list[Tensor], most: float) -> bool:
    try:
        return difference_of(wanted, found) > most
    except WrongAnswer:  # other shapes
        return True


def _layers(graph: Graph, node: Node) -> list[str]:
    """Give the layers that make the removable channels that the operator reads.

    Where there are none, those of the operators beside it in its module: another call
    of the module may have asked for its code.
    """
    beside = (
        other
        for other in graph.exported.calls()
        if module_path(other) == module_path(node)
    )
    for nodes in ([node], beside):
        found = {
            name.partition(":")[0]: None
            for source in (part for each in nodes for part in each.all_input_nodes)
            for ids in graph.flow.labels(source)
            for name in graph.classes.count(ids)[0]
        }
        if found:
            return list(found)
    return []
