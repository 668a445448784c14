"""Making a smaller model's code fit its tensors, where the code fixes a width.

After channels are removed, the code of some module may still hold a length that was
right before: view(-1, 512), C // heads, x[:, :8]. The coupling graph says what every
operator should give now. Modules are gone through in the order in which they are
entered; one whose own operators give something else gets other numbers in its
attributes, or else is retraced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from ccsolve.errors import CcsolveError
from ccsolve_torch.attributes import kept_classes
from ccsolve_torch.expectation import Call, Expected, Sizes, tensors_of
from ccsolve_torch.exported import module_path
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph
from ccsolve_torch.owncode import is_operator, own_code
from ccsolve_torch.resizing import numbers, sized
from ccsolve_torch.retracing import retraced
from ccsolve_torch.state import Inputs, as_inputs, evaluating


def mended(
    model: nn.Module, small: nn.Module, graph: Graph, keep: Keep, inputs: Inputs
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
    inputs
        What the graph was traced with.

    Raises
    ------
    Unsupported
        If a module's code cannot be followed by itself, or cannot say what remains.
    """
    given = tuple(x[: graph.exported.batch] if x.ndim else x for x in as_inputs(inputs))
    before = _Before(model, Sizes(graph, kept_classes(graph, keep)), given)
    with torch.no_grad(), evaluating(model), evaluating(small):
        suspects = _suspects(before.sizes)
        for path, call in _entered(model, suspects, given).items():
            small = _fitted(before, small, path, call)
    return small


@dataclass(frozen=True, eq=False)
class _Before:
    """The model as it was, what remains of its tensors, and its inputs."""

    model: nn.Module
    sizes: Sizes
    given: tuple[Tensor, ...]


def _fitted(before: _Before, small: nn.Module, path: str, call: Call) -> nn.Module:
    """Make one module fit, all that runs before it being so already."""
    module, dense = small.get_submodule(path), before.model.get_submodule(path)
    expected = Expected(before.sizes, path, own_code(dense, *call, fixed=True))
    entered = _entered(small, [path], before.given)
    # Where the model fails before it gets there, its code cannot be helped.
    if path not in entered or expected.met_by(module, entered[path]):
        return small
    if _renumbered(module, expected, entered[path]):
        return small
    own = own_code(dense, *call)
    new = retraced(module, own, Expected(before.sizes, path, own).remains)
    return _replaced(small, module, new)


# --- which modules, and with what they are called --------------------------------


def _suspects(sizes: Sizes) -> list[str]:
    """Give the modules whose own code has a length that changes, in order of entry."""
    graph = sizes.graph
    held = {
        module_path(node)
        for node in graph.exported.calls()
        if sized(node) and is_operator(node) and _changes(sizes, node)
    }
    entered: dict[str, None] = {}
    for node in graph.exported.calls():
        stack = node.meta.get("nn_module_stack") or {"": ("", None)}
        entered.update(dict.fromkeys(path for path, _ in stack.values()))
    return [path for path in entered if path in held]


def _changes(sizes: Sizes, node: Node) -> bool:
    given = [(node, part) for part in range(len(tensors_of(node)))]
    read = [(x, 0) for x in node.all_input_nodes if isinstance(x.meta["val"], Tensor)]
    masks = chain.from_iterable(sizes.masks(*pair) for pair in (*given, *read))
    return any(mask is not None and not mask.all() for mask in masks)


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
    new = numbers(expected.own.graph, expected.remains)
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
