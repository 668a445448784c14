"""Making a smaller model's code fit its tensors, where the code fixes a width.

After channels are removed, the code of some module may still hold a length that was
right before: view(-1, 512), C // heads, x[:, :8]. The coupling graph says what every
operator should give now. Modules are gone through in the order in which they are
entered; one whose own operators give something else gets other numbers in its
attributes, or else is retraced. So does, if asked for, one that computes with another
number now: x / √channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph as Operators
from torch.fx import Node
from torch.utils import _pytree as pytree

from ccsolve.errors import CcsolveError, Unsupported
from ccsolve_torch.coupling.exported import argument, module_path
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph
from ccsolve_torch.rewriting.attributes import kept_classes
from ccsolve_torch.rewriting.expectation import Call, Expected, Sizes, tensors_of
from ccsolve_torch.rewriting.lengths import Remains
from ccsolve_torch.rewriting.owncode import is_operator, own_code
from ccsolve_torch.rewriting.resizing import changes, sized
from ccsolve_torch.rewriting.retracing import retraced
from ccsolve_torch.running.attention import SlimAttention
from ccsolve_torch.running.state import evaluating


def mended(
    model: nn.Module,
    small: nn.Module,
    graph: Graph,
    keep: Keep,
    *,
    numbers: bool = False,
) -> nn.Module:
    """Give the smaller model with code that fits; it may be changed in place.

    Parameters
    ----------
    model, graph
        The model as it was, and its coupling graph.
    small
        A copy of it with sliced tensors; its code may fail.
    keep
        The kept classes of every group.
    numbers
        Look at modules that hold any numbers, not only at those that hold lengths.

    Raises
    ------
    Unsupported
        If the smaller model does not run, and the code of a module that may be the
        reason cannot be followed by itself, or cannot say what remains.
    """
    given = graph.exported.example
    before = _Before(model, Sizes(graph, kept_classes(graph, keep)), given)
    refused: list[Unsupported] = []
    with torch.no_grad(), evaluating(model), evaluating(small):
        suspects = _suspects(model, before.sizes, _numbered if numbers else sized)
        for path, call in _entered(model, suspects, given).items():
            try:
                small = _fitted(before, small, path, call)
            except Unsupported as error:
                refused.append(error)
        # Code that cannot be followed may still fit.
        if refused and not _runs(small, given):
            raise refused[0]
    return small


def _runs(small: nn.Module, given: tuple[Tensor, ...]) -> bool:
    try:
        small(*given)
    except Exception:  # code that fixes a width fails in many ways
        return False
    return True


@dataclass(frozen=True, eq=False)
class _Before:
    """The model as it was, what remains of its tensors, and its inputs."""

    model: nn.Module
    sizes: Sizes
    given: tuple[Tensor, ...]


def _fitted(before: _Before, small: nn.Module, path: str, call: Call) -> nn.Module:
    """Make one module fit, all that runs before it being so already."""
    module, dense = small.get_submodule(path), before.model.get_submodule(path)
    given = _entered(small, [path], before.given).get(path)
    if given is None:
        # The model fails before it gets there: for another reason than a length.
        return small
    fixed = own_code(dense, *call, fixed=True)
    expected = Expected(before.sizes, path, fixed, given)
    if expected.met_by(module, given) or _renumbered(module, expected, given):
        return small
    own = own_code(dense, *call)
    remains = Expected(before.sizes, path, own, given).remains
    return _replaced(small, module, retraced(module, own, remains))


# --- which modules, and with what they are called --------------------------------


def _suspects(
    model: nn.Module, sizes: Sizes, holds: Callable[[Node], bool]
) -> list[str]:
    """Give the modules whose own code holds a length or number, in order of entry.

    Only those that lose something anywhere inside: a length may come from any shape.
    """
    holding: set[str] = set()
    losing: dict[str, bool] = {}
    for node in sizes.graph.exported.calls():
        loses = is_operator(node) and _loses(sizes, node)
        for path in _stack(node):
            losing[path] = losing.get(path, False) or loses
        if holds(node) and not _counts(model.get_submodule(module_path(node))):
            holding.add(module_path(node))
    return [path for path in losing if losing[path] and path in holding]


def _numbered(node: Node) -> bool:
    """Say whether the operator holds any number."""
    given = pytree.tree_leaves((node.args, node.kwargs))
    return is_operator(node) and any(type(value) in (int, float) for value in given)


def _stack(node: Node) -> list[str]:
    stack = node.meta.get("nn_module_stack") or {"": ("", None)}
    return [path for path, _ in stack.values()]


def _loses(sizes: Sizes, node: Node) -> bool:
    given = [(node, part) for part in range(len(tensors_of(node)))]
    read = [(x, 0) for x in node.all_input_nodes if isinstance(x.meta["val"], Tensor)]
    masks = chain.from_iterable(sizes.masks(*pair) for pair in (*given, *read))
    return any(mask is not None and not mask.all() for mask in masks)


def _counts(module: nn.Module) -> bool:
    """Say whether it is a layer of torch's own, whose widths are known and written."""
    own = type(module).__module__.startswith("torch.nn.")
    layer = next(module.parameters(recurse=False), None) is not None
    return isinstance(module, SlimAttention) or (own and layer)


class _Entered(Exception):
    """All that was asked for has been seen."""


def _entered(
    model: nn.Module, paths: Sequence[str], given: tuple[Tensor, ...]
) -> dict[str, Call]:
    """Give what each of the modules is called with first, in the order of entry."""
    found: dict[str, Call] = {}

    def note(path: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        found.setdefault(path, (args, kwargs))
        if len(found) == len(paths):
            raise _Entered

    handles = [
        model.get_submodule(path).register_forward_pre_hook(
            partial(note, path), with_kwargs=True
        )
        for path in paths
    ]
    try:
        model(*given)
    except _Entered:
        pass
    except Exception as error:  # code that fixes a width fails in many ways
        if isinstance(error, CcsolveError):
            raise
    finally:
        for handle in handles:
            handle.remove()
    return found


# --- changing a module -----------------------------------------------------------


def _renumbered(module: nn.Module, expected: Expected, call: Call) -> bool:
    """Write new numbers into the module's attributes, if then its code fits."""
    new = _numbers(expected.own.graph, expected.remains)
    held = {
        name: value
        for name, value in vars(module).items()
        if _written(value, new) != value
    }
    for names in (list(held), *([name] for name in held if len(held) > 1)):
        vars(module).update({name: _written(held[name], new) for name in names})
        if expected.met_by(module, call):
            return True
        vars(module).update(held)
    return False


def _numbers(graph: Operators, remains: Remains) -> dict[int, int]:
    """Give the literals that `resize` would change, and what to."""
    return {
        old: new
        for node, values in changes(graph, remains)
        for name in values.keys() - {"target", "args"}
        for old, new in zip(
            _listed(argument(node, name)), _listed(values[name]), strict=True
        )
        if type(old) is int and old != new
    }


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _written(value: Any, numbers: Mapping[int, int]) -> Any:
    """Give the number, or the tuple or list of numbers, with new numbers in it."""
    if type(value) in (tuple, list):
        return type(value)(_written(part, numbers) for part in value)
    return numbers.get(value, value) if type(value) is int else value


def _replaced(small: nn.Module, module: nn.Module, new: nn.Module) -> nn.Module:
    """Put the new module in every place of the old one."""
    if small is module:
        return new
    for holder in small.modules():
        for name, child in holder._modules.items():
            if child is module:
                holder._modules[name] = new
    return small
