"""What plans do to the loss, measured."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ccsolve.errors import InvalidProblem
from ccsolve.plans import Plan
from ccsolve.problems.records import reduced
from ccsolve_torch.application import Order, carried_out
from ccsolve_torch.collecting.differentiation import differentiated
from ccsolve_torch.collecting.losses import Loss, PerSample, as_loss
from ccsolve_torch.collecting.pooling import summed
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import trace
from ccsolve_torch.repairing.repairing import checked_repair
from ccsolve_torch.running.ranks import several
from ccsolve_torch.running.state import (
    Batch,
    Loader,
    batches,
    checked_model,
    device_of,
    evaluating,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredLosses:
    """The loss of every sample: of the dense network, and of each plan's.

    Attributes
    ----------
    dense : (N,).
    planned : (P, N).
    """

    dense: Array
    planned: Array

    __reduce__ = reduced

    @property
    def rises(self) -> Array:
        """Give by how much each plan raises each sample's loss, (P, N)."""
        return self.planned - self.dense


@torch.inference_mode(False)
def measured_losses(
    model: nn.Module,
    plans: Sequence[Plan],
    loader: Loader,
    loss: str | PerSample = "cross_entropy",
    *,
    calibration: Loader | None = None,
    repair: str | None = None,
    declared: Declared | None = None,
    seed: int = 0,
) -> MeasuredLosses:
    """Give the loss of every sample after each plan, without any training.

    Each plan is carried out as `apply` does it, and the smaller network is run; without
    a repair this is the network with the removed channels' gates closed. What predicts
    a loss, `ccsolve.validate` for one, is judged by it: give samples that the network
    was not trained on.

    Parameters
    ----------
    model
        The model that the plans' statistics were collected on.
    plans
        Plans for it; each is carried out alone.
    loader
        (inputs, targets), read once and kept: a few thousand samples. An iterator will
        do.
    loss
        See `collect`: a name, or a callable (outputs, targets) -> (N,), such as
        ``lambda f, y: (f.argmax(1) != y).float()`` for the share of errors.
    calibration, repair, declared, seed
        See `apply`. Calibrate on other samples than those of `loader`.

    Returns
    -------
    MeasuredLosses
        ``rises`` is what `ccsolve.validate` measures by.

    Raises
    ------
    InvalidProblem
        As `apply`, and for a loss that is not finite.
    """
    checked_model(model)
    known, mode = as_loss(loss), checked_repair(repair, calibration)
    if several():
        raise InvalidProblem(
            "measured_losses in several processes: losses are of the first one's "
            "samples alone; call it in one process"
        )
    with evaluating(model):
        every = list(batches(model, loader))
        inputs = every[0][0]
        graph = trace(model, inputs, declared=declared)
        order = Order(inputs, calibration, mode, False, seed)
        dense = losses_of(model, every, known)
        smaller = (carried_out(model, graph, plan, order, {}) for plan in plans)
        found = [losses_of(small, every, known) for small in smaller]
    return MeasuredLosses(dense, np.array(found).reshape(len(found), len(dense)))


def mean_loss(model: nn.Module, loader: Loader, loss: str | PerSample) -> float:
    """Give the mean loss over the samples of all processes; a collective call."""
    values = losses_of(model, batches(model, loader), as_loss(loss))
    sums = torch.tensor([values.sum(), len(values)], dtype=torch.float64)
    total, count = summed(sums, device_of(model)).tolist()
    return total / count


def losses_of(model: nn.Module, every: Iterable[Batch], loss: Loss) -> Array:
    """Give the loss of every sample, in evaluation mode."""
    with torch.no_grad(), evaluating(model):
        found = np.concatenate(list(_losses(model, every, loss)))
    if not np.isfinite(found).all():
        raise InvalidProblem("loss: NaN or infinity on some sample; expected finite")
    return found


def _losses(model: nn.Module, every: Iterable[Batch], loss: Loss) -> Iterator[Array]:
    for inputs, targets in every:
        given = model(*inputs)
        outputs, held, known = differentiated(given, targets, len(inputs[0]), loss)
        yield known.values(outputs, held).double().cpu().numpy()
