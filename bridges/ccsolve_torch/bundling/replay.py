"""Surgery done again, from its record, on a fresh model of the same class."""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidFile
from ccsolve_torch.bundling.recording import Cut, Entries, Step, is_plain
from ccsolve_torch.bundling.specs import built, is_attention
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.identity import tensors
from ccsolve_torch.rewriting.mending import mended
from ccsolve_torch.rewriting.retracing import Retraced
from ccsolve_torch.running.state import device_of
from ccsolve_torch.surgery import checked_keep

# Numbers in an example input; what is larger is a damaged file.
_EXAMPLE_LIMIT = 2**30


def replay(model: nn.Module, steps: Iterable[Step]) -> nn.Module:
    """Do the steps on a model of the original structure, and give what becomes of it.

    Weights that remain keep their values; those of replaced modules have none yet:
    they lie on the device "meta". Where modules were retraced, the model is exported
    again; else it is changed in place, which takes no time. InvalidFile where a step
    does not fit the model.
    """
    for step in steps:
        before = copy.deepcopy(materialised(model)) if step.retraced else None
        _cut(model, step.cuts)
        for path, values in step.attributes.items():
            _tell(_module(model, path), path, values)
        _replace(model, step, attention=True)
        if before is not None:
            model = _retrace(before, model, step)
        _replace(model, step, attention=False)
    return model


def materialised(model: nn.Module) -> nn.Module:
    """Give memory, where the rest of the model lies, to what replaces modules."""
    device = next((v.device for _, v in tensors(model) if not v.is_meta), "cpu")
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if any(value.is_meta for value in own):
            module.to_empty(device=device, recurse=False)
    return model


def _replace(model: nn.Module, step: Step, *, attention: bool) -> None:
    """Put modules in the places of others: attention, or layers without weights."""
    for path, spec in step.replaced.items():
        if is_attention(spec) == attention:
            parent, _, leaf = path.rpartition(".")
            holder = _module(model, parent)
            if leaf not in holder._modules:
                raise InvalidFile(f"replaced: the model has no module {path!r}")
            present = holder.get_submodule(leaf)
            holder.register_module(leaf, built(spec, present, f"replaced {path!r}"))


def _retrace(before: nn.Module, small: nn.Module, step: Step) -> nn.Module:
    """Give the smaller model with new code, as the graph of the larger one says."""
    graph = trace(before, _examples(before, step))
    small = mended(before, small, graph, _keep(graph, step.cuts))
    for path in step.retraced:
        if not isinstance(_module(small, path), Retraced):
            raise InvalidFile(
                f"retraced: {path!r} keeps its code with this version of ccsolve"
            )
    return small


def _examples(model: nn.Module, step: Step) -> tuple[Tensor, ...]:
    for kind, shape in step.inputs:
        if math.prod(shape) > _EXAMPLE_LIMIT:
            raise InvalidFile(f"inputs: {kind} {list(shape)} is no example of use")
    device = device_of(model)
    return tuple(
        torch.zeros(shape, dtype=getattr(torch, kind), device=device)
        for kind, shape in step.inputs
    )


def _keep(graph: Graph, cuts: tuple[Cut, ...]) -> dict[str, Entries]:
    """Give the classes whose entries remain, whatever the groups are called now."""
    kept = {axis: cut.entries for cut in cuts for axis in cut.axes}
    keep = {}
    for name, group in graph.groups.items():
        remains = np.ones(group.size, dtype=bool)
        for slot in group.slots:
            entries = kept.get((slot.tensor, slot.axis))
            if entries is not None:
                gone = np.delete(slot.classes, entries)
                remains[gone[gone >= 0]] = False
        keep[name] = np.flatnonzero(remains)
    return checked_keep(graph, keep)


def _tell(module: nn.Module, path: str, values: Mapping[str, Any]) -> None:
    """Set attributes that the module has, to values of the kind that it has."""
    for name, value in values.items():
        old = vars(module).get(name)
        if name == "training" or not is_plain(old) or name not in vars(module):
            raise InvalidFile(f"attributes: {path!r} has no number or text {name!r}")
        setattr(module, name, _nested(old, value))


def _nested(old: Any, value: Any) -> Any:
    """Give the value with tuples where there were tuples: JSON has lists alone."""
    if not isinstance(value, list | tuple):
        return value
    inner = [_nested(old[0] if old else None, part) for part in value]
    return tuple(inner) if isinstance(old, tuple) else inner


def _module(model: nn.Module, path: str) -> nn.Module:
    try:
        return model.get_submodule(path)
    except AttributeError:
        raise InvalidFile(f"the model has no module {path!r}") from None


def _cut(model: nn.Module, steps: tuple[Cut, ...]) -> None:
    """Keep the entries of every tensor, once for all names that it has."""
    named = dict(tensors(model))
    cuts: dict[int, dict[int, Entries]] = {}
    for cut in steps:
        for name, axis in cut.axes:
            _check(name, axis, cut.entries, named)
            cuts.setdefault(id(named[name]), {})[axis] = cut.entries
    # `named` holds the tensors until the end, so that no identity is given twice.
    shorter = {
        id(tensor): _shortened(tensor, cuts[id(tensor)])
        for tensor in named.values()
        if id(tensor) in cuts
    }
    for name, tensor in named.items():
        if id(tensor) in shorter:
            path, _, leaf = name.rpartition(".")
            setattr(_module(model, path), leaf, shorter[id(tensor)])


def _shortened(tensor: Tensor, cuts: Mapping[int, Entries]) -> Tensor:
    result = tensor.detach()
    for axis, entries in cuts.items():
        index = torch.from_numpy(entries).to(tensor.device)
        result = result.index_select(axis, index)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(result, requires_grad=tensor.requires_grad)
    return result


def _check(name: str, axis: int, entries: Entries, named: Mapping[str, Tensor]) -> None:
    if name not in named or not 0 <= axis < named[name].ndim:
        raise InvalidFile(f"kept: the model has no axis {axis} of a tensor {name!r}")
    length = named[name].shape[axis]
    rising = entries.size > 0 and bool((np.diff(entries) > 0).all())
    if not rising or entries[0] < 0 or entries[-1] >= length:
        raise InvalidFile(
            f"kept: entries of axis {axis} of {name!r} are not ascending or leave "
            f"0 to {length - 1}"
        )
