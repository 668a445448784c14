"""A module whose code fixes a width, as a module that runs its graph with other widths.

The graph is that of the module's own forward (`owncode`): its submodules are called as
before, and its parameters, buffers and their names stay.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node
from torch.nn import functional
from torch.utils import _pytree as pytree

from ccsolve.errors import Unsupported
from ccsolve_torch.rewriting.arguments import Arguments, arguments
from ccsolve_torch.rewriting.lengths import Remains
from ccsolve_torch.rewriting.owncode import OwnCode
from ccsolve_torch.rewriting.resizing import resize

# Operators as the functions by which layers and sums are known in a running model.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "linear": functional.linear,
    **{
        name: getattr(torch, name)
        for name in (
            *(
                f"conv{kind}{axes}d"
                for kind in ("", "_transpose")
                for axes in (1, 2, 3)
            ),
            *("matmul", "mm", "bmm", "addmm", "baddbmm", "t", "transpose", "permute"),
            "add",
        )
    },
}


class Retraced(nn.Module):
    """A module that runs a graph in the place of another module's code.

    It holds all that the other module holds: parameters, buffers, submodules, hooks,
    attributes; it is of a subclass of its class, so that all other methods are there
    too. `graph` is what it runs. Numbers and flags among the arguments are those
    of the call that was traced; another value is refused.
    """

    # Of the class that `retraced` makes for each module: copies of it share them.
    graph: Graph
    _code: Callable[..., Any]
    _given: Arguments
    _tree: Any

    def __init__(self, module: nn.Module, constants: dict[str, Tensor]) -> None:
        """Take over everything the module holds."""
        # Not the module's own class's: that would make new tensors.
        nn.Module.__init__(self)
        for name, value in vars(module).items():
            if name != "forward":
                copied = value.copy() if isinstance(value, dict | set) else value
                vars(self)[name] = copied
        for name, tensor in constants.items():
            self.register_buffer(name, tensor, persistent=False)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the graph on the arguments."""
        form = self._given
        given = arguments(inspect.signature(self.forward), args, kwargs)
        if given.tree != form.tree:
            raise Unsupported(
                f"{type(self).__name__}: arguments of another form than those it was "
                f"traced with; expected {form.tree}"
            )
        for traced, value in zip(form.leaves, given.leaves, strict=True):
            _check(traced, value, type(self).__name__)
        outputs = self._code(self, *given.leaves)
        return pytree.tree_unflatten(list(outputs), self._tree)


def retraced(module: nn.Module, own: OwnCode, remains: Remains) -> Retraced:
    """Give a module that runs `own` with the lengths that remain, on its tensors.

    Parameters
    ----------
    module
        The smaller module: its tensors are sliced, but its code does not fit them.
    own
        The code of the module as it was before (`own_code`); it is changed.
    remains
        Of every tensor of the graph, by node and number, the entries that remain.

    Raises
    ------
    Unsupported
        If some operator's numbers cannot say what remains.
    """
    resize(own.graph, remains)
    for node in own.graph.nodes:
        # Values of the larger module, which hold on to all that torch.export made.
        node.meta = {}
        _speak(node)
    own_class = type(module)
    again = issubclass(own_class, Retraced)
    name = own_class.__name__ if again else f"Retraced{own_class.__name__}"
    bases = own_class.__bases__ if again else (Retraced, own_class)
    fields = {
        "graph": own.graph,
        "forward": _forward(inspect.signature(own_class.forward)),
        "_code": staticmethod(_compiled(own.graph, name)),
        "_given": own.given.form,
        "_tree": own.tree,
    }
    return type(name, bases, fields)(module, own.constants)


def _speak(node: Node) -> None:
    """Let an operator run as the function of the same name."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return
    packet = node.target.overloadpacket.__name__
    if packet == "einsum":
        equation, operands = node.args[:2]
        node.target, node.kwargs = torch.einsum, {}
        node.args = (equation, *operands)  # pyright: ignore
    elif packet == "add_":
        node.op, node.target = "call_method", "add_"
    else:
        node.target = _FUNCTIONS.get(packet, node.target)


def _forward(signature: inspect.Signature) -> Callable[..., Any]:
    """Give a forward method with the signature of the module's own."""

    def forward(self: Retraced, *args: Any, **kwargs: Any) -> Any:
        return self._run(args, kwargs)

    forward.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    return forward


def _compiled(graph: Graph, name: str) -> Callable[..., Any]:
    code = graph.python_code(root_module="self")
    scope = dict(code.globals)
    exec(compile(code.src, f"<graph of {name}>", "exec"), scope)
    return scope["forward"]


def _check(traced: Any, value: Any, name: str) -> None:
    """Refuse another number or flag than the one that is written into the graph."""
    tensors = isinstance(traced, Tensor), isinstance(value, Tensor)
    if tensors[0] != tensors[1] or not (tensors[0] or traced == value):
        raise Unsupported(
            f"{name}: argument {value!r:.80}; expected {traced!r:.80}, with which it "
            f"was traced"
        )
