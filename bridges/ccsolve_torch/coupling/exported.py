"""A model as `torch.export` sees it: operators, and whose weights they read."""

import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from ccsolve.errors import Unsupported
from ccsolve_torch.reasons import first_line
from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import (
    Inputs,
    as_inputs,
    check_runs,
    checked_model,
    evaluating,
)

# Operators that give a parameter with other axes first, or some of its rows.
_PARTS = frozenset(
    """t transpose permute mT numpy_T contiguous detach chunk split split_with_sizes
    getitem slice narrow""".split()
)
_LINE = re.compile(r'File "(.*?)", line (\d+)')


@dataclass(frozen=True)
class Exported:
    """The operators of a model in execution order.

    `parameters` and `buffers` give the full name of each tensor that a placeholder
    node stands for; `example` are the inputs of the export, `batch` the length of their
    first axis; `seconds` is what the export took.
    """

    nodes: tuple[Node, ...]
    parameters: dict[str, str]
    buffers: dict[str, str]
    example: tuple[Tensor, ...]
    batch: int
    seconds: float

    def calls(self) -> Iterator[Node]:
        """Give the operators, in execution order."""
        return (node for node in self.nodes if node.op == "call_function")

    def read(self) -> Iterator[Node]:
        """Give the parameters that some operator reads."""
        return (
            node
            for node in self.nodes
            if node.op == "placeholder" and node.name in self.parameters and node.users
        )

    def weight_name(self, value: Any) -> str | None:
        """Give the name of the parameter that the node is, or holds axes or rows of."""
        while isinstance(value, Node) and operator(value) in _PARTS and value.args:
            value = value.args[0]
        return self.parameters.get(value.name) if isinstance(value, Node) else None

    def source_name(self, value: Any) -> str | None:
        """Give the name of the first parameter that the node is computed from."""
        nodes, seen = [value] if isinstance(value, Node) else [], set()
        while nodes:
            node = nodes.pop(0)
            if node.name in self.parameters:
                return self.parameters[node.name]
            nodes += [one for one in node.all_input_nodes if one not in seen]
            seen.update(nodes)
        return None

    def tensor_name(self, value: Any) -> str | None:
        """Give the full name of the parameter or buffer, None for other values."""
        if not isinstance(value, Node):
            return None
        return self.parameters.get(value.name) or self.buffers.get(value.name)


def export(model: nn.Module, example: Inputs) -> Exported:
    """Give the model's operators in evaluation mode; the model is left as it was.

    Raises
    ------
    Unsupported
        If `torch.export` cannot follow the model.
    InvalidProblem
        If the model does not run on the example at all.
    """
    checked_model(model)
    given = as_inputs(example)
    start = time.perf_counter()
    with evaluating(model), spelled_out(model, whole=False), torch.no_grad():
        inputs, program = _followed(model, given)
    signature = program.graph_signature
    return Exported(
        nodes=tuple(program.graph.nodes),
        parameters=_first_names(signature.inputs_to_parameters, model.named_parameters),
        buffers=_first_names(signature.inputs_to_buffers, model.named_buffers),
        example=inputs,
        batch=inputs[0].shape[0],
        seconds=time.perf_counter() - start,
    )


def _first_names(found: Mapping[str, str], named: Callable[..., Any]) -> dict[str, str]:
    """Give tied tensors the name under which the model lists them first."""
    first: dict[int, str] = {}
    every = dict(named(remove_duplicate=False))
    for name, tensor in every.items():
        first.setdefault(id(tensor), name)
    return {node: first[id(every[name])] for node, name in found.items()}


def operator(node: Node) -> str:
    """Give the bare name of the operator: "conv2d", "relu", "add"."""
    packet = getattr(node.target, "overloadpacket", None)
    name = getattr(packet, "__name__", None) or getattr(node.target, "__name__", "?")
    return name.rstrip("_") or name


def argument(node: Node, name: str, default: Any = None) -> Any:
    """Give the argument of that name in the operator's schema."""
    schema = getattr(node.target, "_schema", None)
    for place, declared in enumerate(schema.arguments if schema else ()):
        if declared.name == name:
            return (
                node.args[place]
                if place < len(node.args)
                else node.kwargs.get(name, declared.default_value)
            )
    return default


def spelled(name: str) -> str:
    """Give the name as a table can hold it: "/" and what is not printed as %2F."""
    return "".join(
        mark if mark.isprintable() and mark not in "/%" else quote(mark, safe="")
        for mark in name
    )


def shape(node: Node) -> tuple[int, ...]:
    """Give the shape of the tensor that the node gives."""
    return tuple(int(length) for length in node.meta["val"].shape)


def module_path(node: Node) -> str:
    """Give the name of the innermost module whose forward holds the operator."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack else ""


def place(node: Node) -> str:
    """Give the operator, the module it stands in and the source line, for messages."""
    path, line = module_path(node), source_line(node)
    return operator(node) + (f" in {path}" if path else "") + (line and f" ({line})")


def source_line(node: Node) -> str:
    """Give "file:line" of the innermost line of code that ran the operator."""
    found = _LINE.findall(node.meta.get("stack_trace") or "")
    return f"{found[-1][0].rpartition('/')[2]}:{found[-1][1]}" if found else ""


def _followed(
    model: nn.Module, given: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], ExportedProgram]:
    """Export with two samples: enough to tell their axis from axes of length one.

    A single one is taken twice, if the model allows it.
    """
    two = tuple(value[:2] if value.ndim else value for value in given)
    ways = [two]
    if len(given[0]) == 1:
        ways.insert(0, tuple(_twice(value) for value in two))
    failure: Exception | None = None
    for inputs in ways:
        try:
            with warnings.catch_warnings():
                # Recurrent layers set the list of their weights anew; it is the same.
                warnings.filterwarnings("ignore", "The tensor attributes? ")
                return inputs, torch.export.export(model, inputs)
        except Exception as error:  # torch.export raises errors of many kinds
            failure = error
    check_runs(model, given, "the example inputs")
    raise Unsupported(
        f"torch.export cannot follow this {type(model).__name__}: "
        f"{first_line(failure)}; expected a model without data-dependent control flow"
    ) from failure


def _twice(value: Tensor) -> Tensor:
    return torch.cat([value, value]) if value.ndim and len(value) == 1 else value
