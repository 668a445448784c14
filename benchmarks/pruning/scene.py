"""What a choice may look at: a network, its calibration images, its statistics."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor, nn

import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, trained
from ccsolve.statistics import Statistics

DEPTHS = {"resnet20": 20, "resnet56": 56}

_INNER = re.compile(r"layer\d\.\d\.conv1")


@dataclass(frozen=True, eq=False)
class Scene:
    """A trained network and the calibration images of one seed."""

    network: str
    seed: int
    model: nn.Module
    loader: list[tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, folder: Path, network: str, seed: int, count: int) -> "Scene":
        """Read the network and draw its images."""
        model = trained(folder, DEPTHS[network])
        images, labels = calibration_images(folder, count, seed)
        return cls(network, seed, model, in_batches(images, labels))

    @cached_property
    def stats(self) -> Statistics:
        """The statistics on the calibration images, everything that choices ask for."""
        return cct.collect(
            self.model, self.loader, layers="moments", positions=8000, seed=self.seed
        )

    @cached_property
    def inner(self) -> Statistics:
        """The same, where only the channels inside the blocks may go."""
        return replace(
            self.stats,
            groups={
                name: group if is_inner(name) else replace(group, min_keep=group.size)
                for name, group in self.stats.groups.items()
            },
        )


def is_inner(group: str) -> bool:
    """Say whether a group is the channels between the two convolutions of a block."""
    return _INNER.fullmatch(group) is not None
