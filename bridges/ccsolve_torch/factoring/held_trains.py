"""Stages of a chain that are held as cores: numbers alone, no modules."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class TrainStage:
    """A pointwise stage as cores (r, mode, r'), of its outputs or of its inputs.

    It has the shape (1, n, c, 1...) of the stage that it stands for.
    """

    cores: tuple[Array, ...]
    inputs: bool
    axes: int

    @property
    def dense(self) -> Array:
        """Give the stage multiplied out."""
        whole = reduce(lambda left, right: np.tensordot(left, right, 1), self.cores)
        return whole.reshape(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of the stage multiplied out."""
        first, last = self.cores[0].shape[0], self.cores[-1].shape[2]
        size = int(np.prod([core.shape[1] for core in self.cores]))
        sides = (first, size) if self.inputs else (size, last)
        return (1, *sides, *(1,) * self.axes)

    @property
    def size(self) -> int:
        """Give how many weights are held."""
        return sum(core.size for core in self.cores)

    def scaled(self, factor: float) -> "TrainStage":
        """Give the stage times a number, shared between the cores."""
        each = factor ** (1 / len(self.cores))
        return replace(self, cores=tuple(core * each for core in self.cores))


Stage = Array | TrainStage


def dense(stage: Stage) -> Array:
    """Give a stage as one array."""
    return stage.dense if isinstance(stage, TrainStage) else stage


def scaled(stage: Stage, factor: float) -> Stage:
    """Give a stage times a number."""
    return stage.scaled(factor) if isinstance(stage, TrainStage) else stage * factor
