"""What one module's own forward does, as a graph in which its submodules stay calls.

`torch.export` writes a model out down to its operators. Here every submodule is one
opaque operator instead: it keeps its own code, modes, hooks and random numbers.
"""

import inspect
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, ShapesCollection
from torch.fx import Graph, Node
from torch.utils import _pytree as pytree

from ccsolve.errors import Unsupported
from ccsolve_torch.coupling.exported import argument, operator
from ccsolve_torch.reasons import first_line
from ccsolve_torch.rewriting.arguments import Arguments, arguments
from ccsolve_torch.rewriting.opaque import Call, Returned, opaque, submodule

_DROPPED = frozenset(
    """_assert_tensor_metadata _assert_scalar _assert_async sym_constrain_range
    sym_constrain_range_for_size""".split()
)
_ALL = 99
_RANDOM = frozenset(("dropout", "feature_dropout", "alpha_dropout"))


@dataclass(frozen=True, eq=False)
class OwnCode:
    """The graph of a module's own forward.

    Its placeholders are the leaves of the module's arguments, `get_attr` nodes its
    parameters and buffers, `call_module` nodes its submodules, all by their names in
    the module; it returns a list of the leaves of the outputs, which nest as `tree`.
    `constants` are tensors that the code makes from numbers, by name; `called` is what
    the submodules' calls gave, with the nodes of its tensors.
    """

    graph: Graph
    tree: Any
    given: Arguments
    constants: dict[str, Tensor]
    called: tuple[tuple[Returned, list[Node]], ...]

    @property
    def operators(self) -> list[Node]:
        """Give the operators on tensors, in the order in which they run."""
        return [node for node in self.graph.nodes if is_operator(node)]


def is_operator(node: Node) -> bool:
    """Say whether the node is an operator of torch that gives tensors."""
    known = isinstance(node.target, torch._ops.OpOverload)
    value = node.meta.get("val")
    several = isinstance(value, tuple | list) and bool(value)
    return known and (isinstance(value, Tensor) or several)


def own_code(
    module: nn.Module,
    args: Any,
    kwargs: Any,
    *,
    fixed: bool = False,
    known: Sequence[Returned] | None = None,
) -> OwnCode:
    """Give the graph of the module's own forward, for these arguments.

    Lengths stay open where the code leaves them open, unless all are `fixed`; numbers,
    flags and branches are those of this call, sections without gradients are written
    as others. `known` is what the calls of submodules give, in their order, where that
    is known without running them. The module is left as it was.

    Raises
    ------
    Unsupported
        If `torch.export` cannot follow the module's code, or if it writes to buffers.
    """
    given = arguments(inspect.signature(module.forward), args, kwargs)
    with opaque(module, known) as calls, torch.no_grad():
        program = _exported(module, given, (0,) if fixed else (_ALL, 1, 0))
    return _own_code(program, given, calls)


# --- from the exported program to the graph --------------------------------------


def _exported(
    module: nn.Module, given: Arguments, ways: Sequence[int]
) -> ExportedProgram:
    """Export with as many leading axes of open length as the code allows.

    The first of the ways is taken that leaves the first axis of some input open, else
    the first that works.
    """
    args, kwargs = given.call
    tensors = {id(x): x for x in given.leaves if isinstance(x, Tensor)}.values()
    found: ExportedProgram | None = None
    failure: Exception | None = None
    for most in ways:
        lengths = ShapesCollection()
        for tensor in (x for x in tensors if x.ndim and most):
            lengths[tensor] = {axis: Dim.AUTO for axis in range(min(most, tensor.ndim))}
        try:
            program = _quietly(module, args, kwargs, lengths if most else None)
        except Exception as error:  # torch.export raises errors of many kinds
            failure = failure or error
            continue
        found = found or program
        if _open_batch(program):
            return program
    if found is None:
        raise Unsupported(
            f"torch.export cannot follow the code of {type(module).__name__}: "
            f"{first_line(failure)}"
        ) from failure
    return found


def _quietly(
    module: nn.Module, args: Any, kwargs: Any, lengths: ShapesCollection | None
) -> ExportedProgram:
    shapes = lengths.dynamic_shapes(module, args, kwargs) if lengths else None
    with warnings.catch_warnings():
        # Recurrent layers note their weights anew whenever they run on others.
        warnings.filterwarnings(
            "ignore", message="The tensor attributes? .*_flat_weights"
        )
        return torch.export.export(module, args, kwargs, dynamic_shapes=shapes)


def _open_batch(program: ExportedProgram) -> bool:
    """Say whether the length of some input's first axis is open."""
    names = set(program.graph_signature.user_inputs)
    inputs = [node.meta["val"] for node in program.graph.nodes if node.name in names]
    firsts = [x.shape[0] for x in inputs if isinstance(x, Tensor) and x.ndim]
    return any(not isinstance(length, int) for length in firsts)


def _own_code(program: ExportedProgram, given: Arguments, calls: list[Call]) -> OwnCode:
    signature = program.graph_signature
    if signature.buffers_to_mutate:
        raise Unsupported(
            f"the code writes to the buffer "
            f"{next(iter(signature.buffers_to_mutate.values()))!r}; expected code that "
            f"only reads its tensors in evaluation mode"
        )
    lifted = {
        name: (f"_constant_{place}", cast(Tensor, program.constants[target]))
        for place, (name, target) in enumerate(
            signature.inputs_to_lifted_tensor_constants.items()
        )
    }
    attributes = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **{name: attribute for name, (attribute, _) in lifted.items()},
    }
    constants = dict(lifted.values())
    copy = _Copy(Graph(), attributes, calls)
    graph = copy.copied(program)
    tree = program.call_spec.out_spec
    return OwnCode(graph, tree, given, constants, tuple(copy.called))


class _Copy:
    """Copies the exported graph into one of the module's own terms."""

    def __init__(
        self, graph: Graph, attributes: dict[str, str], calls: list[Call]
    ) -> None:
        """Start an empty graph."""
        self.graph, self.attributes, self.calls = graph, attributes, calls
        self.map: dict[Node, Any] = {}
        self.called: list[tuple[Returned, list[Node]]] = []
        self.device: Node | None = None

    def copied(self, program: ExportedProgram) -> Graph:
        """Give the graph; nodes keep the values that torch.export noted."""
        nodes = list(program.graph.nodes)
        inputs = [node for node in nodes if node.op == "placeholder"]
        # Arguments come first in a function, whatever it reads besides.
        inputs.sort(key=lambda node: node.name in self.attributes)
        others = (n for n in nodes if n.op not in ("placeholder", "output"))
        for node in (*inputs, *others):
            made = self._one(node)
            if isinstance(made, Node):
                made.meta = {**node.meta, **made.meta}
            self.map[node] = made
        self.graph.output([self._value(leaf) for leaf in nodes[-1].args[0]])
        self.graph.eliminate_dead_code(_is_kept)
        return self.graph

    def _one(self, node: Node) -> Any:
        if node.op == "placeholder":
            if node.name in self.attributes:
                return self.graph.get_attr(self.attributes[node.name])
            return self.graph.placeholder(node.name)
        if node.target is submodule._opoverload:
            return self._call(node)
        source = node.args[0] if node.args else None
        if isinstance(source, Node) and isinstance(self.map.get(source), list):
            return self.map[source][node.args[1]]
        if getattr(node.target, "__name__", "").partition(".")[0] in _DROPPED:
            return None
        if _takes_all(node):
            return self.map[cast(Node, source)]
        return self._operator(node)

    def _operator(self, node: Node) -> Node:
        nested = isinstance(node.target, torch._ops.HigherOrderOperator)
        if node.op != "call_function" or nested:
            raise Unsupported(
                f"the code runs {node.target}; expected plain operators, outside of "
                f"autocast"
            )
        args, kwargs = self._value(node.args), self._value(node.kwargs)
        if operator(node) in _RANDOM and args[2:] == (False,):
            args = (*args[:2], self.graph.get_attr("training"))
        return self.graph.call_function(cast(Any, node.target), args, kwargs)

    def _call(self, node: Node) -> list[Node]:
        """Give the tensors that the submodule's call gives, in their order."""
        tensors, sizes, number = node.args
        call = self.calls[number]  # pyright: ignore
        leaves: list[Any] = list(call.leaves)
        for kind, nodes in ((Tensor, tensors), (torch.SymInt, sizes)):
            for i, value in zip(call.places(kind), self._value(nodes), strict=True):
                leaves[i] = value
        args, kwargs = pytree.tree_unflatten(leaves, call.tree)
        made = self.graph.call_module(call.path, args, kwargs)
        returned = call.returned
        assert returned is not None
        if returned.tree.is_leaf():
            parts = [made]
        else:
            parts = [self.graph.call_function(leaf, (made, i)) for i in returned.places]
        for part, value in zip(parts, node.meta["val"], strict=True):
            part.meta["val"] = value
        self.called.append((returned, parts))
        return parts

    def _value(self, value: Any) -> Any:
        """Give an argument with this graph's nodes, and devices of the input's."""
        if isinstance(value, Node):
            return self.map[value]
        if isinstance(value, torch.device):
            return self._device(value)
        if isinstance(value, dict):
            return {name: self._value(part) for name, part in value.items()}
        if isinstance(value, tuple | list):
            return type(value)(self._value(part) for part in value)
        return value

    def _device(self, value: torch.device) -> Any:
        """Give the device of the first input: the module may be moved later."""
        for node in self.graph.nodes:
            found = node.meta.get("val")
            if node.op == "placeholder" and isinstance(found, Tensor):
                if found.device.type == value.type:
                    self.device = self.device or self.graph.call_function(
                        getattr, (node, "device")
                    )
                    return self.device
        return value


def _takes_all(node: Node) -> bool:
    """Say whether the node is x[:]: torch.export writes it for open lengths alone."""
    window = [argument(node, part) for part in ("start", "end", "step")]
    return operator(node) == "slice" and window in (
        [None, None, 1],
        [0, sys.maxsize, 1],
    )


def _is_kept(node: Node) -> bool:
    """Say whether the node stays though nothing reads it: submodules, work in place."""
    stays = ("placeholder", "output", "call_module")
    return node.op in stays or (node.op == "call_function" and node.is_impure())


def leaf(outputs: Any, place: int) -> Any:
    """Give one of the values that a submodule gave, however they nest."""
    return pytree.tree_leaves(outputs)[place]
