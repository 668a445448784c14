"""Sums over samples at the gates of the groups: derivatives and activations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccsolve_torch.collecting.pooling import summed
from ccsolve_torch.graph import Graph, Read
from ccsolve_torch.running.calls import Call
from ccsolve_torch.running.precision import widened
from ccsolve_torch.running.samples import Place

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Reader:
    """A layer that reads a group: which of its channels, in the order of the classes.

    Every class has the same number of channels there.
    """

    weight: str
    channels: Tensor
    size: int

    @classmethod
    def of(cls, read: Read, size: int, device: torch.device) -> "Reader":
        """Give the reader of a group of this size."""
        held = np.flatnonzero(read.classes >= 0)
        order = held[np.argsort(read.classes[held], kind="stable")]
        return cls(read.weight, torch.from_numpy(order).to(device), size)

    def by_class(self, channels: Tensor) -> Tensor:
        """Give (N, size): the (N, C) values of the channels, summed by class."""
        # Sums in a fixed order: adding by index is not, on a GPU.
        return channels[:, self.channels].unflatten(1, (self.size, -1)).sum(dim=2)


@dataclass(frozen=True, eq=False)
class Readers:
    """All readers, by the name of the group."""

    groups: Mapping[str, tuple[Reader, ...]]

    @classmethod
    def of(cls, graph: Graph, device: torch.device) -> "Readers":
        """Give the readers of all groups of the graph."""
        return cls(
            {
                name: tuple(Reader.of(read, group.size, device) for read in group.reads)
                for name, group in graph.groups.items()
            }
        )

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of the weights of all readers, each once."""
        every = (item.weight for group in self.groups.values() for item in group)
        return tuple(dict.fromkeys(every))

    def by_group(self, gates: Mapping[Place, Tensor]) -> dict[str, Tensor]:
        """Give, per group, the (N, size) derivatives in the gates of its classes.

        A class has one gate wherever it is read: the derivatives at all readers and at
        all their calls add.
        """
        layers: dict[str, Tensor] = {}
        for (weight, _), value in gates.items():
            known = layers.get(weight)
            layers[weight] = value if known is None else known + value
        return {
            name: torch.stack(
                [item.by_class(layers[item.weight]) for item in readers]
            ).sum(dim=0)
            for name, readers in self.groups.items()
        }


@dataclass
class Activations:
    """Means over samples and positions of what the first reader of each group reads."""

    readers: Readers
    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Take what a layer reads, at every call."""
        if not any(
            group[0].weight == call.weight for group in self.readers.groups.values()
        ):
            return
        z = call.x.detach()
        rest = [axis for axis in range(z.ndim) if axis != call.axis]
        kinds = (z, z.abs(), z.square(), z == 0)
        sums = torch.stack([_sum(kind, rest) for kind in kinds])
        self.sums[call.weight] = self.sums.get(call.weight, 0) + sums
        count = z.numel() // z.shape[call.axis]
        self.counts[call.weight] = self.counts.get(call.weight, 0) + count

    def pool(self, device: torch.device) -> None:
        """Add the sums of all processes; a collective call."""
        for weight, sums in self.sums.items():
            self.sums[weight] = summed(sums, device)
            count = torch.tensor(self.counts[weight])
            self.counts[weight] = int(summed(count, device))

    def means(self, name: str) -> dict[str, Array]:
        """Give the group's means, (size,) each."""
        reader = self.readers.groups[name][0]
        each = len(reader.channels) // reader.size
        total = reader.by_class(self.sums[reader.weight]).cpu().numpy()
        mean = total / (each * self.counts[reader.weight])
        kinds = ("mean", "mean_abs", "mean_square", "zero_fraction")
        return dict(zip(kinds, mean, strict=True))


def _sum(values: Tensor, axes: list[int]) -> Tensor:
    exact = widened(values)
    return (exact.sum(dim=axes) if axes else exact).double()
