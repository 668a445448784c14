"""The atoms of a value: arrays that broadcast to its shape.

A value has one array of atoms for each independent family of channels on its axes. An
array has the value's rank, and length 1 along every axis on which it is constant, so
that the atoms of a feature map are (1, channels, 1, 1).
"""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from ccsolve_torch.coupling.links import NONE, Ids

Labels = tuple[Ids, ...]
Shape = tuple[int, ...]


def placed(ids: Ids, axis: int, rank: int) -> Labels:
    """Give atoms (n,) that stand along one axis of a value of that rank."""
    shape = [1] * rank
    shape[axis] = -1
    return packed([ids.reshape(shape)])


def packed(arrays: Sequence[Ids]) -> Labels:
    """Give the arrays without constant axes, and without those that say nothing."""
    packs = (_collapsed(ids) for ids in arrays)
    return tuple(ids for ids in packs if ids.size > 1 and (ids != NONE).any())


def varying(ids: Ids) -> frozenset[int]:
    """Give the axes along which the atoms differ."""
    return frozenset(axis for axis, length in enumerate(ids.shape) if length > 1)


def on_axis(labels: Labels, axis: int) -> list[Ids]:
    """Give the arrays that vary along the axis."""
    return [ids for ids in labels if ids.shape[axis] > 1]


def off_axis(labels: Labels, axis: int) -> list[Ids]:
    """Give the arrays that do not vary along the axis."""
    return [ids for ids in labels if ids.shape[axis] == 1]


def aligned(ids: Ids, rank: int) -> Ids:
    """Give the atoms with leading axes of length one, as broadcasting adds them."""
    return ids.reshape((1,) * (rank - ids.ndim) + ids.shape)


def reshaped(ids: Ids, before: Shape, after: Shape) -> Ids:
    """Give the atoms after a reshape that keeps the order of memory.

    Only those stretches of axes are written out whose product the reshape keeps and
    along which the atoms vary.
    """
    full, lengths = [], []
    for old, new in blocks(before, after):
        varies = any(ids.shape[axis] > 1 for axis in old)
        full += [before[axis] if varies else 1 for axis in old]
        lengths += [after[axis] if varies else 1 for axis in new]
    return _collapsed(np.broadcast_to(ids, full).reshape(lengths))


def blocks(before: Shape, after: Shape) -> Iterator[tuple[range, range]]:
    """Give the shortest stretches of axes, before and after, of equal products."""
    i = j = 0
    while i < len(before) or j < len(after):
        start = i, j
        i, j = min(i + 1, len(before)), min(j + 1, len(after))
        while (left := prod(before[start[0] : i])) != (
            right := prod(after[start[1] : j])
        ):
            i, j = (i + 1, j) if left < right else (i, j + 1)
        yield range(start[0], i), range(start[1], j)


def _collapsed(ids: Ids) -> Ids:
    if ids.size == 0:  # a part of which all channels are gone
        return ids
    for axis, length in enumerate(ids.shape):
        first = ids.take([0], axis=axis)
        if length > 1 and (ids == first).all():
            ids = first
    return ids
