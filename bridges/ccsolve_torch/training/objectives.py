"""What fine-tuning minimises: the loss on the labels, and the distance to a teacher."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem
from ccsolve_torch.collecting.losses import PerSample, as_loss

Inputs = tuple[Tensor, ...]
Objective = Callable[[Tensor, Tensor, Inputs], Tensor]
"""(outputs, targets, inputs) -> what is minimised, one number."""

_IGNORED = -100


def objective(
    loss: str | PerSample,
    label_smoothing: float,
    teacher: nn.Module | None,
    temperature: float,
    alpha: float,
) -> Objective:
    """Give what is minimised: the mean loss of a batch, or with a teacher a mean.

        (1 - alpha) · loss + alpha · T² KL(softmax(v / T) ‖ softmax(z / T)),

    z the outputs, v those of the teacher. Classes stand on axis 1. T² keeps the
    weight of the second part while T changes (Hinton, Vinyals, Dean, "Distilling the
    knowledge in a neural network", 2015: the softened softmax is equation 1, T² in
    section 2).
    """
    on_labels = _on_labels(loss, label_smoothing)
    if teacher is None:
        return lambda outputs, targets, inputs: on_labels(outputs, targets)
    given = teacher

    def both(outputs: Tensor, targets: Tensor, inputs: Inputs) -> Tensor:
        with torch.no_grad():
            wanted = logits(given(*inputs), "teacher")
        distance = distillation(outputs, wanted, temperature)
        if alpha == 1:
            return distance
        return (1 - alpha) * on_labels(outputs, targets) + alpha * distance

    return both


def distillation(outputs: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Give T² KL(softmax(wanted / T) ‖ softmax(outputs / T)), mean over all but axis 1.

    At wanted = outputs it is 0, and nowhere below.
    """
    if outputs.shape != wanted.shape:
        raise InvalidProblem(
            f"teacher: outputs of shape {tuple(wanted.shape)}, the model's are "
            f"{tuple(outputs.shape)}; expected the same"
        )
    ours, theirs = (
        functional.log_softmax(value.float() / temperature, dim=1)
        for value in (outputs, wanted)
    )
    divergence = functional.kl_div(ours, theirs, reduction="none", log_target=True)
    return temperature**2 * divergence.sum(dim=1).mean()


def logits(outputs: object, who: str) -> Tensor:
    """Give the outputs, after checking that they are one tensor (N, ...)."""
    if not isinstance(outputs, Tensor) or outputs.ndim < 2:
        raise InvalidProblem(
            f"{who}: gave a {type(outputs).__name__}; expected one tensor (N, ...); "
            f"wrap it so that it gives the logits alone"
        )
    return outputs


def _on_labels(
    loss: str | PerSample, label_smoothing: float
) -> Callable[[Tensor, Tensor], Tensor]:
    if loss == "cross_entropy":
        return lambda outputs, targets: _cross_entropy(
            outputs, targets, label_smoothing
        )
    if label_smoothing:
        raise InvalidProblem(
            f"label_smoothing {label_smoothing} with the loss {loss!r:.40}; it is for "
            f"'cross_entropy'"
        )
    values = as_loss(loss).values
    return lambda outputs, targets: values(outputs.float(), targets).mean()


def _cross_entropy(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Give the mean over samples and positions; targets of -100 do not count."""
    expected = (outputs.shape[0], *outputs.shape[2:])
    if targets.shape != expected or targets.is_floating_point():
        raise InvalidProblem(
            f"cross_entropy: targets {targets.dtype} {tuple(targets.shape)}, outputs "
            f"{tuple(outputs.shape)}; expected class numbers {expected}"
        )
    classes, last = targets.long(), outputs.shape[1] - 1
    outside = ((classes < 0) | (classes > last)) & (classes != _IGNORED)
    if bool(outside.any()):
        raise InvalidProblem(
            f"cross_entropy: targets {int(targets.min())} to {int(targets.max())}; "
            f"expected class numbers 0 to {last}"
        )
    return functional.cross_entropy(
        outputs.float(), classes, ignore_index=_IGNORED, label_smoothing=smoothing
    )
