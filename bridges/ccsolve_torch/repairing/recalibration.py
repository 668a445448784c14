"""Batch norms measured again, and whether a repair helped at all."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ccsolve.errors import InvalidProblem
from ccsolve_torch.repairing.calibration import Calibration, Inputs
from ccsolve_torch.running.comparison import tensors_in
from ccsolve_torch.running.ranks import summed
from ccsolve_torch.running.state import (
    Loader,
    batches,
    device_of,
    eval_mode,
    evaluating,
)


def recalibrate(model: nn.Module, loader: Loader) -> nn.Module:
    """Measure the batch norms' means and variances again; give the model itself.

    The old statistics are forgotten, and the new ones are the averages over all
    batches, each batch counting the same (variances within batches: give batches of
    some tens of samples). Nothing else of the model changes, modes included.
    """
    measure(model, (inputs for inputs, _ in batches(model, loader)))
    return model


def measure(model: nn.Module, inputs: Iterable[Inputs]) -> None:
    """Do what `recalibrate` does, with bare inputs; over all processes."""
    norms = _norms(model)
    if not norms:
        return
    device, count = device_of(model), 0
    with eval_mode(model), torch.no_grad(), _averaging(norms):
        for batch in inputs:
            model(*(value.to(device) for value in batch))
            count += 1
    weight = torch.tensor(float(count), device=device)
    total = summed(weight)
    for norm in norms:
        for statistic in (norm.running_mean, norm.running_var):
            statistic.copy_(summed(statistic * weight) / total)


def has_statistics(model: nn.Module) -> bool:
    """Say whether the model has batch norms that keep statistics."""
    return bool(_norms(model))


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What the dense network gives for some samples, held in memory."""

    batches: tuple[tuple[Inputs, list[Tensor]], ...]

    @classmethod
    def of(cls, dense: nn.Module, calibration: Calibration) -> "Yardstick":
        """Run the network on what is held back, on all samples where nothing is."""
        samples = calibration.held_back or calibration.fitting
        held = tuple((inputs, _outputs(dense, inputs)) for inputs in samples)
        if not all(bool(d.isfinite().all()) for _, given in held for d in given):
            raise InvalidProblem(
                "calibration: the model gives NaN or infinity; expected finite outputs"
            )
        return cls(held)

    def distance(self, model: nn.Module) -> float:
        """Give Σ‖f - d‖² / Σ‖d - mean d‖², f the model's outputs and d the dense ones.

        Over all samples, output tensors and processes; infinite where one is NaN.
        """
        sums = torch.zeros(2, dtype=torch.float64, device=device_of(model))
        for inputs, wanted in self.batches:
            for f, d in zip(_outputs(model, inputs), wanted, strict=True):
                f, d = f.double(), d.double()
                sums[0] += (f - d).square().sum()
                sums[1] += (d - d.mean()).square().sum()
        error, spread = summed(sums).tolist()
        if math.isnan(error):
            return math.inf
        return error / spread if spread > 0 else 0.0


def _norms(model: nn.Module) -> list[Any]:
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return [norm for norm in norms if norm.track_running_stats]


@contextmanager
def _averaging(norms: list[Any]) -> Iterator[None]:
    """Let the norms forget, and average over the batches that they see inside."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum, norm.training = None, True
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """Give the model's output tensors, on the CPU."""
    device = device_of(model)
    with torch.no_grad(), evaluating(model):
        given = model(*(value.to(device) for value in inputs))
    return [leaf.cpu() for leaf in tensors_in(given) if leaf.is_floating_point()]
