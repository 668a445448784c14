"""Removing channels for good, and checking that this is what closing gates does."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, WrongAnswer
from ccsolve_torch.gates import Keep, closed
from ccsolve_torch.graph import Graph, Slot
from ccsolve_torch.reasons import first_line
from ccsolve_torch.rewriting.attributes import write_widths
from ccsolve_torch.rewriting.mending import mended
from ccsolve_torch.running.attention import SlimAttention, replace_attention
from ccsolve_torch.running.comparison import difference_of, tolerance
from ccsolve_torch.running.state import Inputs, as_inputs, evaluating

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
    """Give a smaller copy of the model that holds the kept classes alone.

    Tensors are sliced, and the attributes in which torch's own modules count channels
    are written anew. Where the code of a module still fixes another width, the module
    is mended (see `mending`).
    """
    small = _sliced(model, graph, keep)
    if _fits(model, small, graph, keep):
        return small
    small = mended(model, small, graph, keep)
    # Looking at every number of the code takes longer, and is seldom needed.
    if _exact(graph, keep) and not _fits(model, small, graph, keep):
        small = mended(model, small, graph, keep, numbers=True)
    return small


def _fits(model: nn.Module, small: nn.Module, graph: Graph, keep: Keep) -> bool:
    """Say whether the smaller model surely does what it should.

    Where removal is more than masking, a comparison of outputs cannot tell.
    """
    try:
        distance = equivalence(model, small, graph, keep, graph.exported.example)
    except WrongAnswer:
        return False
    return _exact(graph, keep) and distance <= tolerance(model)


def _exact(graph: Graph, keep: Keep) -> bool:
    """Say whether all that is removed is the same as masking it."""
    return all(
        not group.approximate or len(keep[name]) == group.size
        for name, group in graph.groups.items()
    )


def _sliced(model: nn.Module, graph: Graph, keep: Keep) -> nn.Module:
    small = copy.deepcopy(model)
    for (tensor, axis), entries in kept_entries(graph, keep).items():
        _slice(small, tensor, axis, entries)
    write_widths(small, graph, keep)
    _replace_attention(small)
    return small


def kept_entries(graph: Graph, keep: Keep) -> dict[tuple[str, int], NDArray[np.int64]]:
    """Give, for every axis of a tensor that gets shorter, the entries that remain."""
    slots: dict[tuple[str, int], NDArray[np.bool_]] = {}
    for name, group in graph.groups.items():
        for slot in group.slots:
            gone = _gone(slot, keep[name])
            key = slot.tensor, slot.axis
            slots[key] = slots[key] | gone if key in slots else gone
    return {key: np.flatnonzero(~gone) for key, gone in slots.items() if gone.any()}


def _gone(slot: Slot, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (slot.classes >= 0) & ~np.isin(slot.classes, kept)


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
            expected = model(*given)
        found = _run(small, given)
    try:
        return difference_of(expected, found)
    except WrongAnswer as error:
        raise WrongAnswer(f"the smaller model gives {error}; {_FIXED}") from None


def _run(small: nn.Module, given: tuple[Tensor, ...]) -> Any:
    try:
        return small(*given)
    except Exception as error:  # code that fixes a width fails in many ways
        raise WrongAnswer(
            f"the smaller model does not run ({first_line(error)}); {_FIXED}"
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


def _slice(model: nn.Module, name: str, axis: int, entries: NDArray[np.int64]) -> None:
    """Keep the entries of one axis of a parameter or buffer, under all its names."""
    path, _, attribute = name.rpartition(".")
    tensor = getattr(model.get_submodule(path), attribute)
    index = torch.from_numpy(entries).to(tensor.device)
    shorter = tensor.detach().index_select(axis, index)
    if isinstance(tensor, nn.Parameter):
        shorter = nn.Parameter(shorter, requires_grad=tensor.requires_grad)
    # A tied tensor stands in several modules, which must go on sharing it.
    for module in model.modules():
        held = {**module._parameters, **module._buffers}
        for key in [key for key, value in held.items() if value is tensor]:
            setattr(module, key, shorter)


def _replace_attention(small: nn.Module) -> None:
    """Replace attention where its heads do not fill its input, or are fewer now."""
    for name, module in list(small.named_modules()):
        if isinstance(module, nn.MultiheadAttention | SlimAttention):
            columns: Any = module.out_proj.weight.shape[1]  # pyright: ignore
            outputs: Any = module.out_proj.weight.shape[0]  # pyright: ignore
            inputs, heads = module.embed_dim, columns // module.head_dim
            if (columns, outputs, heads) != (inputs, inputs, module.num_heads):
                replace_attention(small, name, heads)
