"""What surgery does to a model, as data.

The recording compares the model before and after: which entries of its tensors
remain, which attributes of its modules tell other widths, which modules became
others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.problems.records import reduced
from ccsolve_torch.bundling.specs import Spec, described
from ccsolve_torch.identity import (
    Form,
    Structure,
    difference,
    fingerprint,
    form,
    structure,
    tensors,
)
from ccsolve_torch.rewriting.retracing import Retraced

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
    retraced
        Modules whose code was written anew, because it fixed a width.
    inputs
        Type and shape of the example that the model was read with.
    """

    cuts: tuple[Cut, ...]
    attributes: Mapping[str, Mapping[str, Any]]
    replaced: Mapping[str, Spec]
    retraced: tuple[str, ...]
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
        retraced=tuple(_retraced(model, small)),
        inputs=tuple(form(value, "input") for value in inputs),
    )
    earlier, present = getattr(model, "surgery", None), structure(model)
    if isinstance(earlier, Surgery) and not difference(earlier.result, present):
        return replace(earlier, steps=(*earlier.steps, step), result=structure(small))
    return Surgery(present, fingerprint(model), (step,), structure(small))


def is_plain(value: Any) -> bool:
    """Say whether an attribute is a number, text, or some of these."""
    if isinstance(value, tuple | list):
        return all(is_plain(item) for item in value)
    return isinstance(value, _PLAIN)


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
        if _under(path, found) or isinstance(module, Retraced):
            continue
        if not _same(before.get(path), module):
            found.append(path)
            yield path, described(module)


def _retraced(model: nn.Module, small: nn.Module) -> Iterator[str]:
    """Give the modules that run a graph that they did not run before."""
    before = dict(model.named_modules())
    for path, module in small.named_modules():
        if isinstance(module, Retraced) and type(before.get(path)) is not type(module):
            yield path


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
        if name != "training" and is_plain(value) and before.get(name, value) != value
    }
