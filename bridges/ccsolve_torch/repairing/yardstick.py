"""How far a repaired network is from the dense one, on samples that judge it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.repairing.calibration import Inputs
from ccsolve_torch.running.comparison import finite_pairs, tensors_in
from ccsolve_torch.running.ranks import summed
from ccsolve_torch.running.state import device_of, evaluating

_ROUNDING = 1e-12
"""A spread below this part of the power is rounding in float32."""


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What the dense network gives for some samples, held in memory.

    `scale` is the spread Σ‖d - mean d‖² of these outputs, each tensor about its own
    mean over all samples and processes; their power Σ‖d‖² where they do not differ.
    """

    batches: tuple[tuple[Inputs, list[Tensor]], ...]
    scale: float

    @classmethod
    def of(cls, dense: nn.Module, samples: Sequence[Inputs]) -> "Yardstick":
        """Run the network on the samples; InvalidProblem where it gives NaN."""
        held = tuple((inputs, _outputs(dense, inputs)) for inputs in samples)
        if any(bool(d.isnan().any()) for _, given in held for d in given):
            raise InvalidProblem(
                "calibration: the model gives NaN; expected samples for which its "
                "outputs are numbers, or infinities where it masks them"
            )
        return cls(held, _scale([given for _, given in held], device_of(dense)))

    def distance(self, model: nn.Module) -> float:
        """Give Σ‖f - d‖² / scale, f the model's outputs and d the dense ones.

        Over all samples, output tensors and processes; infinite where one is NaN, or
        infinite in one model alone.
        """
        error = torch.zeros((), dtype=torch.float64, device=device_of(model))
        for inputs, wanted in self.batches:
            for f, d in zip(_outputs(model, inputs), wanted, strict=True):
                d, f = finite_pairs(d.double(), f.double())
                error += (f - d).square().sum().to(error.device)
        total = float(summed(error))
        return math.inf if math.isnan(total) else total / self.scale


def _scale(given: Sequence[Sequence[Tensor]], device: torch.device) -> float:
    """Give the spread of every output tensor about its mean, summed; or the power."""
    finite = [
        [d[d.isfinite()].double() for d in part] for part in zip(*given, strict=True)
    ]
    counts = _sums(finite, torch.ones_like, device).clamp(min=1)
    means = (_sums(finite, torch.clone, device) / counts).tolist()
    centred = [
        [d - mean for d in part] for part, mean in zip(finite, means, strict=True)
    ]
    power = float(_sums(finite, torch.square, device).sum())
    spread = float(_sums(centred, torch.square, device).sum())
    return (spread if spread > _ROUNDING * power else power) or 1.0


def _sums(
    parts: Sequence[Sequence[Tensor]],
    of: Callable[[Tensor], Tensor],
    device: torch.device,
) -> Tensor:
    """Give the sum of a function of the entries of every part, over all processes."""
    return summed(
        torch.stack([torch.stack([of(d).sum() for d in p]).sum() for p in parts]).to(
            device
        )
    )


def _outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """Give the model's output tensors, on the CPU."""
    device = device_of(model)
    with torch.no_grad(), evaluating(model):
        given = model(*(value.to(device) for value in inputs))
    return [leaf.cpu() for leaf in tensors_in(given) if leaf.is_floating_point()]
