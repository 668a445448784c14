"""What of a model's output is differentiated: one tensor, samples along axis 0."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ccsolve.errors import InvalidProblem
from ccsolve_torch.collecting.losses import Loss, as_loss
from ccsolve_torch.running.precision import widened


def differentiated(
    found: Any, targets: Tensor, count: int, loss: Loss
) -> tuple[Tensor, Any, Loss]:
    """Give the outputs, in float32 or float64, targets, and the loss of both.

    A tensor is taken as it is. Of an output with `logits` these are meant, by the named
    losses, and by the user's own where it is a mapping (transformers' outputs). Of all
    other outputs the user's loss is a function as they are: the tensors in them that
    depend on the model's weights are laid side by side, and put together again for
    it; what else is in them goes with the targets.

    InvalidProblem where there is another output, or a named loss of several tensors.
    """
    alone = _alone(found, loss)
    if alone is not None:
        _check(alone, count)
        return widened(alone), targets, loss
    leaves, spec = tree_flatten(found)
    chosen = _chosen(leaves)
    if loss.own is None or not chosen:
        raise InvalidProblem(
            f"model: gave a {type(found).__name__}; expected one tensor (N, ...) or an "
            f"output with logits; wrap the model, or give as the loss a callable "
            f"(outputs, targets) -> (N,)"
        )
    for place in chosen:
        _check(leaves[place], count)
    flat = [widened(leaves[place]).reshape(count, -1) for place in chosen]
    beside = {
        place: leaf
        for place, leaf in enumerate(leaves)
        if place not in chosen and _of_samples(leaf, count)
    }
    together = _of_parts(loss, leaves, chosen, spec)
    return torch.cat(flat, dim=1), (targets, beside), together


def _of_parts(loss: Loss, leaves: list[Any], chosen: list[int], spec: TreeSpec) -> Loss:
    """Give the loss as a function of the chosen tensors side by side.

    Its targets are (targets, what else has an entry for each sample, by place).
    """
    own: Any = loss.own
    shapes = [leaves[place].shape[1:] for place in chosen]
    lengths = [shape.numel() for shape in shapes]

    def together(outputs: Tensor, held: Any) -> Tensor:
        targets, beside = held
        filled = {**dict(enumerate(leaves)), **beside}
        parts = outputs.split(lengths, dim=1)
        for place, part, shape in zip(chosen, parts, shapes, strict=True):
            filled[place] = part.reshape(len(outputs), *shape)
        return own(tree_unflatten(list(filled.values()), spec), targets)

    return replace(as_loss(together), name=loss.name)


def _alone(found: Any, loss: Loss) -> Tensor | None:
    """Give the one tensor that is meant, None where several may be."""
    if isinstance(found, Tensor):
        return found
    logits = getattr(found, "logits", None)
    meant = loss.own is None or isinstance(found, Mapping)
    return logits if meant and isinstance(logits, Tensor) else None


def _chosen(leaves: list[Any]) -> list[int]:
    """Give the places of the numbers that gradients reach; of all where they do not."""
    numbers = [
        place
        for place, leaf in enumerate(leaves)
        if isinstance(leaf, Tensor) and leaf.is_floating_point()
    ]
    return [place for place in numbers if leaves[place].requires_grad] or numbers


def _of_samples(leaf: Any, count: int) -> bool:
    """Say whether the leaf has an entry for each sample, as masks and classes have."""
    return isinstance(leaf, Tensor) and leaf.ndim > 0 and len(leaf) == count


def _check(outputs: Tensor, count: int) -> None:
    if outputs.ndim == 0 or len(outputs) != count or not outputs.is_floating_point():
        raise InvalidProblem(
            f"model: gave {outputs.dtype} of shape {tuple(outputs.shape)}; expected "
            f"numbers (N, ...) of {count} samples"
        )
