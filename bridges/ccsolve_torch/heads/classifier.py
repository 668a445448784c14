"""The auxiliary classifier: scaled channels, ReLU, mean over positions, linear."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem
from ccsolve_torch.running.precision import widened

TINY = 1e-5
"""Added to variances, as batch norm has it."""


class Classifier(nn.Module):
    """Batch norm, ReLU, mean over the positions, linear layer.

    The norm's means and variances are measured once and stay: in training as in use a
    sample's output is a function of that sample, and a batch of one is no exception.

    Parameters
    ----------
    channels, outputs
        Of what it reads, and of what it gives.
    axis
        Of the channels, counted without the samples.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, outputs: int, axis: int, like: Tensor) -> None:
        super().__init__()
        made: Any = {"dtype": like.dtype, "device": like.device}
        self.axis = axis
        self.register_buffer("mean", torch.zeros(channels, **made))
        self.register_buffer("variance", torch.ones(channels, **made))
        self.scale = nn.Parameter(torch.ones(channels, **made))
        self.shift = nn.Parameter(torch.zeros(channels, **made))
        self.linear = nn.Linear(channels, outputs, **made)

    @classmethod
    def reading(cls, features: Tensor, outputs: int, axis: int | None) -> "Classifier":
        """Give one for features (N, ...); `axis` None: the last of three, else 1."""
        given = (-1 if features.ndim == 3 else 1) if axis is None else axis
        where = given + features.ndim if given < 0 else given
        if not 0 < where < features.ndim:
            raise InvalidProblem(
                f"auxiliary: axis {axis} of an output {tuple(features.shape)}; "
                f"expected 1 to {features.ndim - 1}, or counted from the end"
            )
        wide = widened(features)
        return cls(features.shape[where], outputs, where - 1, wide)

    def forward(self, features: Tensor) -> Tensor:
        """Give (N, outputs)."""
        x = self.by_position(features) - self.mean
        x = x * (self.scale / (self.variance + TINY).sqrt()) + self.shift
        return self.linear(functional.relu(x).mean(dim=1))

    def by_position(self, features: Tensor) -> Tensor:
        """Give (N, positions, channels), wide enough to be summed."""
        moved = widened(features).movedim(self.axis + 1, -1)
        return moved.reshape(len(moved), -1, moved.shape[-1])

    @torch.no_grad()
    def normalise(self, moments: "Moments") -> None:
        """Take the means and variances of what it will read."""
        self.mean.copy_(moments.mean)
        self.variance.copy_(moments.variance)


@dataclass
class Moments:
    """Means and variances (channels,) over the samples and positions of batches."""

    count: int = 0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0

    def add(self, rows: Tensor) -> None:
        """Take (N, positions, channels)."""
        flat = rows.flatten(0, 1).double()
        self.count += len(flat)
        self.total = self.total + flat.sum(dim=0)
        self.squares = self.squares + flat.square().sum(dim=0)

    @property
    def mean(self) -> Tensor:
        """E[x]."""
        return torch.as_tensor(self.total / self.count)

    @property
    def variance(self) -> Tensor:
        """E[x²] - E[x]², at least 0."""
        raw = torch.as_tensor(self.squares / self.count)
        return (raw - self.mean.square()).clamp(min=0)
