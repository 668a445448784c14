"""Removing channels for good, and checking that this is what closing gates does."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, WrongAnswer
from ccsolve_torch.gates import Keep, closed
from ccsolve_torch.graph import Graph, Slot
from ccsolve_torch.state import Inputs, as_inputs, evaluating

# The attribute in which a module says how long axis 0 or 1 of its tensors is.
_LENGTHS = (
    ("out_channels", "out_features", "num_features", "num_parameters"),
    ("in_channels", "in_features"),
)

_FIXED = "the model's code fixes a width: a view with a literal size?"


def checked_keep(graph: Graph, keep: Mapping[str, Any]) -> dict[str, NDArray[np.int64]]:
    """Give the kept classes of every group, all where `keep` does not name it.

    InvalidProblem for a group that the model does not have, for classes that are
    not sorted, distinct and in range, and for none at all.
    """
    unknown = sorted(set(keep) - set(graph.groups))
    if unknown:
        raise InvalidProblem(
            f"plan: no group {unknown[0]!r} in the model; expected groups of "
            f"{', '.join(graph.groups)[:200]}"
        )
    return {
        name: _checked(name, keep.get(name, range(group.size)), group.size)
        for name, group in graph.groups.items()
    }


def remove_channels(model: nn.Module, graph: Graph, keep: Keep) -> nn.Module:
    """Give a smaller copy of the model that holds the kept classes alone."""
    small = copy.deepcopy(model)
    for name, group in graph.groups.items():
        for slot in group.slots:
            _slice(small.get_submodule(slot.module), slot, keep[name])
    return small


def equivalence(
    model: nn.Module, small: nn.Module, graph: Graph, keep: Keep, inputs: Inputs
) -> float:
    """Give the largest difference of the smaller model to the model with closed gates.

    Relative to the largest output; both run in evaluation mode on the inputs.
    WrongAnswer if the smaller model fails, or gives outputs of other shapes.
    """
    given = as_inputs(inputs)
    with torch.no_grad(), evaluating(model), evaluating(small):
        with closed(model, graph, keep):
            expected = list(_tensors(model(*given)))
        found = list(_tensors(_run(small, given)))
    shapes = [[tuple(t.shape) for t in outputs] for outputs in (expected, found)]
    if shapes[0] != shapes[1]:
        raise WrongAnswer(
            f"the smaller model gives outputs of shapes {shapes[1]}, expected "
            f"{shapes[0]}; {_FIXED}"
        )
    return max(_distance(a, b) for a, b in zip(expected, found, strict=True))


def _run(small: nn.Module, given: tuple[Tensor, ...]) -> Any:
    try:
        return small(*given)
    except RuntimeError as error:  # what torch raises where shapes do not fit
        raise WrongAnswer(
            f"the smaller model does not run ({str(error).splitlines()[0]}); {_FIXED}"
        ) from error


def _checked(name: str, classes: Any, size: int) -> NDArray[np.int64]:
    kept = np.asarray(classes)
    sound = kept.ndim == 1 and kept.size > 0 and kept.dtype.kind in "iu"
    if not sound or kept[0] < 0 or kept[-1] >= size or (np.diff(kept) <= 0).any():
        raise InvalidProblem(
            f"plan: keep of group {name!r} is {kept.tolist()!r:.80}; expected one or "
            f"more of the classes 0 to {size - 1}, ascending"
        )
    return kept.astype(np.int64)


def _slice(module: nn.Module, slot: Slot, kept: NDArray[np.int64]) -> None:
    """Keep the slot's entries of kept classes, and say so in the module."""
    tensor = getattr(module, slot.tensor)
    entries = torch.from_numpy(np.flatnonzero(np.isin(slot.classes, kept)))
    shorter = tensor.detach().index_select(slot.axis, entries.to(tensor.device))
    if isinstance(tensor, nn.Parameter):
        shorter = nn.Parameter(shorter, requires_grad=tensor.requires_grad)
    setattr(module, slot.tensor, shorter)
    for attribute in _LENGTHS[slot.axis]:
        if hasattr(module, attribute):
            setattr(module, attribute, len(entries))


def _tensors(outputs: Any) -> Iterator[Tensor]:
    """Give the tensors in a model's output: a tensor, or nested lists and dicts."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        yield from _tensors(list(outputs.values()))
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from _tensors(part)


def _distance(expected: Tensor, found: Tensor) -> float:
    if expected.numel() == 0:
        return 0.0
    scale = float(expected.abs().max())
    error = float((expected - found).abs().max())
    return error / scale if scale > 0 else error
