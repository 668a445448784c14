"""What surgery does to a model, as data: recorded once, done again on a fresh model.

The recording compares the model before and after: which entries of its tensors
remain, which attributes of its modules tell other widths, which modules became
others. To do it again no export and no example is needed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import InvalidFile
from ccsolve.problems.records import reduced
from ccsolve_torch.identity import (
    Form,
    Structure,
    difference,
    fingerprint,
    form,
    structure,
    tensors,
)
from ccsolve_torch.specs import Spec, built, described

Entries = NDArray[np.int64]
Kept = Mapping[tuple[str, int], Entries]
"""(tensor, axis) -> the entries that remain, ascending."""

_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True, eq=False)
class Cut:
    """Axes of tensors, (name, axis), that keep the same entries, ascending."""

    entries: Entries
    axes: tuple[tuple[str, int], ...]

    __reduce__ = reduced


@dataclass(frozen=True, eq=False)
class Step:
    """One surgery.

    Parameters
    ----------
    cuts
        Which entries of which axes remain, of the tensors as they were before.
    attributes
        Module -> attribute -> its value after.
    replaced
        Module -> the layers that stand in its place (see `specs`).
    inputs
        Type and shape of the example that the model was read with.
    """

    cuts: tuple[Cut, ...]
    attributes: Mapping[str, Mapping[str, Any]]
    replaced: Mapping[str, Spec]
    inputs: tuple[Form, ...]

    __reduce__ = reduced


@dataclass(frozen=True, eq=False)
class Surgery:
    """All that was cut, from the first model on: how to make the present one from it.

    `fingerprint` is that of the first model's weights, `result` the structure that
    all steps lead to.
    """

    original: Structure
    fingerprint: str
    steps: tuple[Step, ...]
    result: Structure

    __reduce__ = reduced


def recorded(
    model: nn.Module, small: nn.Module, kept: Kept, inputs: tuple[Tensor, ...]
) -> Surgery:
    """Give the surgery that has made `small` of `model`.

    Where `model` is itself the result of one, the steps add up.
    """
    replaced = dict(_replaced(model, small))
    names = {name for name, _ in tensors(small)}
    step = Step(
        cuts=_cuts({key: kept[key] for key in kept if key[0] in names}),
        attributes=_attributes(model, small, tuple(replaced)),
        replaced=replaced,
        inputs=tuple(form(value, "input") for value in inputs),
    )
    earlier, present = getattr(model, "surgery", None), structure(model)
    if isinstance(earlier, Surgery) and not difference(earlier.result, present):
        return replace(earlier, steps=(*earlier.steps, step), result=structure(small))
    return Surgery(present, fingerprint(model), (step,), structure(small))


def replay(model: nn.Module, steps: Iterable[Step]) -> None:
    """Do the steps on a model of the original structure, in place.

    Weights that remain keep their values; those of replaced modules have none yet:
    they lie on the device "meta". InvalidFile where a step does not fit the model.
    """
    for step in steps:
        _cut(model, step.cuts)
        for path, values in step.attributes.items():
            _tell(_module(model, path), path, values)
        for path, spec in step.replaced.items():
            parent, _, leaf = path.rpartition(".")
            holder = _module(model, parent)
            if leaf not in holder._modules:
                raise InvalidFile(f"replaced: the model has no module {path!r}")
            present = holder.get_submodule(leaf)
            holder.register_module(leaf, built(spec, present, f"replaced {path!r}"))


def _cuts(kept: Kept) -> tuple[Cut, ...]:
    """Give the axes by what they keep: those of a group keep the same."""
    axes: dict[bytes, list[tuple[str, int]]] = {}
    for key, entries in kept.items():
        axes.setdefault(entries.tobytes(), []).append(key)
    return tuple(Cut(kept[same[0]], tuple(same)) for same in axes.values())


def _replaced(model: nn.Module, small: nn.Module) -> Iterator[tuple[str, Spec]]:
    """Give the topmost modules that became others."""
    before = dict(model.named_modules(remove_duplicate=False))
    found: list[str] = []
    for path, module in small.named_modules(remove_duplicate=False):
        if not _under(path, found) and not _same(before.get(path), module):
            found.append(path)
            yield path, described(module)


def _same(before: nn.Module | None, after: nn.Module) -> bool:
    """Say whether both are of one class and hold tensors and modules of same names."""
    return type(before) is type(after) and all(
        [name for name, value in vars(before)[part].items() if value is not None]
        == [name for name, value in vars(after)[part].items() if value is not None]
        for part in ("_parameters", "_buffers", "_modules")
    )


def _under(path: str, roots: Iterable[str]) -> bool:
    return any(not root or path.startswith(f"{root}.") for root in roots)


def _attributes(
    model: nn.Module, small: nn.Module, replaced: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """Give the plain attributes that changed, by module."""
    before = dict(model.named_modules())
    found = {
        path: _changed(vars(before[path]), vars(module))
        for path, module in small.named_modules()
        if path in before and path not in replaced and not _under(path, replaced)
    }
    return {path: values for path, values in found.items() if values}


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in after.items()
        if name != "training" and _is_plain(value) and before.get(name, value) != value
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(isinstance(item, _PLAIN) for item in value)
    return isinstance(value, _PLAIN)


def _tell(module: nn.Module, path: str, values: Mapping[str, Any]) -> None:
    """Set attributes that the module has, to values of the kind that it has."""
    for name, value in values.items():
        old = vars(module).get(name)
        if name == "training" or not _is_plain(old) or name not in vars(module):
            raise InvalidFile(f"attributes: {path!r} has no number or text {name!r}")
        setattr(module, name, tuple(value) if isinstance(old, tuple) else value)


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
