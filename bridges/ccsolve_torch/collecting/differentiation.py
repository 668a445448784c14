"""What of a model's output is differentiated: one tensor, samples along axis 0."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ccsolve.errors import InvalidProblem
from ccsolve_torch.collecting.losses import Loss, as_loss
from ccsolve_torch.running.precision import widened


def differentiated(found: Any, count: int, loss: Loss) -> tuple[Tensor, Loss]:
    """Give the outputs, in float32 or float64, and the loss as a function of them.

    A tensor is taken as it is, an output with `logits` by these. Of tuples, lists and
    dicts of tensors the user's own loss is a function: they are laid side by side, and
    put together again for it.

    InvalidProblem where there is another output, or a named loss of several tensors.
    """
    alone = found if isinstance(found, Tensor) else getattr(found, "logits", None)
    if isinstance(alone, Tensor):
        _check(alone, count)
        return widened(alone), loss
    leaves, spec = tree_flatten(found)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if loss.own is None or not tensors:
        raise InvalidProblem(
            f"model: gave a {type(found).__name__}; expected one tensor (N, ...) or an "
            f"output with logits; wrap the model, or give as the loss a callable "
            f"(outputs, targets) -> (N,)"
        )
    for tensor in tensors:
        _check(tensor, count)
    outputs = torch.cat([widened(part).reshape(count, -1) for part in tensors], dim=1)
    return outputs, _of_parts(loss, leaves, spec)


def _of_parts(loss: Loss, leaves: list[Any], spec: TreeSpec) -> Loss:
    """Give the loss as a function of all tensors side by side."""
    own: Any = loss.own
    shapes = [leaf.shape[1:] for leaf in leaves if isinstance(leaf, Tensor)]

    def together(outputs: Tensor, targets: Tensor) -> Tensor:
        parts = iter(outputs.split([shape.numel() for shape in shapes], dim=1))
        lengths = iter(shapes)
        filled = [
            next(parts).reshape(len(outputs), *next(lengths))
            if isinstance(leaf, Tensor)
            else leaf
            for leaf in leaves
        ]
        return own(tree_unflatten(filled, spec), targets)

    return replace(as_loss(together), name=loss.name)


def _check(outputs: Tensor, count: int) -> None:
    if outputs.ndim == 0 or len(outputs) != count or not outputs.is_floating_point():
        raise InvalidProblem(
            f"model: gave {outputs.dtype} of shape {tuple(outputs.shape)}; expected "
            f"numbers (N, ...) of {count} samples"
        )
