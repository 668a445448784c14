"""The weights of bounded ranks, as a set of tensors that can be projected on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.bonds import modes_of, ranks_of
from ccsolve.factors import Factor

Array = NDArray[Any]


@dataclass(frozen=True)
class RankSet:
    """The tensors of a format and ranks, and how a weight (n, c, kernel...) is one.

    Parameters
    ----------
    format
        "svd", "tucker", "tt" or "tr".
    modes
        Of the tensor: outputs first, the kernel between, inputs last.
    ranks
        Integers as `LowRankFit` takes them; "tucker" keeps the kernel's mode whole.
    axes
        The weight's axes in the order in which the modes are made of them.
    shape
        Of the weight.
    """

    format: str
    modes: tuple[int, ...]
    ranks: tuple[int, ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]

    def tensor(self, weight: Array) -> Array:
        """Give the weight as a tensor of the modes."""
        return np.ascontiguousarray(weight.transpose(self.axes)).reshape(self.modes)

    def weight(self, tensor: Array) -> Array:
        """Give the tensor as a weight (n, c, kernel...)."""
        return np.ascontiguousarray(self.seen(tensor))

    def seen(self, tensor: Array) -> Array:
        """Give the weight as a view of the tensor."""
        turned = tensor.reshape([self.shape[axis] for axis in self.axes])
        return turned.transpose(np.argsort(self.axes))

    @property
    def columns(self) -> NDArray[np.int64]:
        """For each entry of a tensor's row of one output: its column of the weight.

        The columns of the weight, (n, d), are channel-major.
        """
        inner = [axis - 1 for axis in self.axes if axis]
        places = np.arange(math.prod(self.shape[1:])).reshape(self.shape[1:])
        return places.transpose(inner).ravel()

    @property
    def inputs_from(self) -> int:
        """The first mode that outputs have no part in."""
        products = list(accumulate(self.modes, lambda a, b: a * b))
        n = self.shape[0]
        return next(place for place, p in enumerate(products) if p >= n) + 1

    @property
    def outputs_alone(self) -> bool:
        """Whether no mode mixes outputs with what a filter reads."""
        return math.prod(self.modes[: self.inputs_from]) == self.shape[0]


def rank_set(factor: Factor, shape: Sequence[int], where: str) -> RankSet:
    """Give the set that the factor stands for, of weights of this shape.

    InvalidProblem, with `where` in its message, where ranks or modes do not fit.
    """
    n, c, *kernel = shape
    ranks = ranks_of(factor, shape, where)
    axes = (0, *range(2, len(shape)), 1)
    size = math.prod(kernel)
    if factor.format == "svd" and factor.split == "channel":
        axes, modes = tuple(range(len(shape))), (n, c * size)
    elif factor.format == "svd":
        axes = (0, *range(3, len(shape)), 1, 2)
        modes = (n * math.prod(kernel[1:]), c * kernel[0])
    elif factor.format == "tucker":
        modes = (n, size, c) if size > 1 else (n, c)
    else:
        modes = tuple(m for part in modes_of(factor, shape, where) for m in part)
    return RankSet(factor.format, modes, ranks, axes, tuple(shape))
