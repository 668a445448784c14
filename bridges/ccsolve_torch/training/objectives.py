"""What fine-tuning minimises: the loss on the labels, and the distance to a teacher."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem
from ccsolve_torch.collecting.differentiation import differentiated
from ccsolve_torch.collecting.losses import IGNORED, PerSample, as_loss

Inputs = tuple[Tensor, ...]
Objective = Callable[[Any, Tensor, Inputs], Tensor]
"""(outputs, targets, inputs) -> what is minimised, one number."""

Penalty = Callable[[], Tensor]
"""What is added to it: one number of the weights alone."""


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
        return on_labels
    given = teacher

    def both(outputs: Any, targets: Tensor, inputs: Inputs) -> Tensor:
        with torch.no_grad():
            wanted = logits(given(*inputs), "teacher")
        distance = distillation(logits(outputs, "model"), wanted, temperature)
        if alpha == 1:
            return distance
        return (1 - alpha) * on_labels(outputs, targets, inputs) + alpha * distance

    return both


def penalised(aim: Objective, penalty: Penalty | None) -> Objective:
    """Give the objective with the penalty added, where there is one."""
    if penalty is None:
        return aim
    added = penalty
    return lambda outputs, targets, inputs: aim(outputs, targets, inputs) + added()


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


def logits(outputs: Any, who: str) -> Tensor:
    """Give the outputs, or what they hold as `logits`, if that is a tensor (N, ...)."""
    inner = outputs.get("logits") if isinstance(outputs, Mapping) else None
    inner = getattr(outputs, "logits", None) if inner is None else inner
    found = outputs if isinstance(outputs, Tensor) else inner
    if not isinstance(found, Tensor) or found.ndim < 2:
        raise InvalidProblem(
            f"{who}: gave a {type(outputs).__name__}; expected one tensor (N, ...), or "
            f"one as its logits; wrap it so that it gives the logits alone"
        )
    return found


def _on_labels(loss: str | PerSample, label_smoothing: float) -> Objective:
    if loss == "cross_entropy":
        return lambda outputs, targets, inputs: _cross_entropy(
            logits(outputs, "model"), targets, label_smoothing
        )
    if label_smoothing:
        raise InvalidProblem(
            f"label_smoothing {label_smoothing} with the loss {loss!r:.40}; it is for "
            f"'cross_entropy'"
        )
    known = as_loss(loss)

    def mean(outputs: Any, targets: Tensor, inputs: Inputs) -> Tensor:
        named = logits(outputs, "model") if known.own is None else outputs
        count = len(inputs[0])
        wide, held, every = differentiated(named, targets, count, known)
        return every.values(wide, held).mean()

    return mean


def _cross_entropy(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Give the mean over samples and positions; targets of -100 do not count.

    0 where no target counts, as in a batch of padding.
    """
    expected = (outputs.shape[0], *outputs.shape[2:])
    if targets.shape != expected or targets.is_floating_point():
        raise InvalidProblem(
            f"cross_entropy: targets {targets.dtype} {tuple(targets.shape)}, outputs "
            f"{tuple(outputs.shape)}; expected class numbers {expected}"
        )
    classes, last = targets.long(), outputs.shape[1] - 1
    outside = ((classes < 0) | (classes > last)) & (classes != IGNORED)
    if bool(outside.any()):
        raise InvalidProblem(
            f"cross_entropy: targets {int(targets.min())} to {int(targets.max())}; "
            f"expected class numbers 0 to {last}"
        )
    total = functional.cross_entropy(
        outputs.float(),
        classes,
        ignore_index=IGNORED,
        label_smoothing=smoothing,
        reduction="sum",
    )
    return total / (classes != IGNORED).sum().clamp(min=1)
