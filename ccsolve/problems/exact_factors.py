"""Factors that need no search: those of the tensor itself, and of zero."""

import math
from collections.abc import Sequence

import numpy as np

from ccsolve.problems.tensor_formats import (
    Modes,
    bonds,
    factor_shapes,
    full_ranks,
)


def zero_factors(
    format: str, modes: Modes, dtype: np.dtype, whole: Sequence[int] = ()
) -> list[np.ndarray]:
    """Give zero of ranks 1 (of a "tucker" mode in ``whole`` its size)."""
    ranks = [1] * bonds(format, modes)
    for mode in whole:
        ranks[mode] = modes[mode]
    shapes = factor_shapes(format, modes, tuple(ranks))
    return [np.zeros(shape, dtype=dtype) for shape in shapes]


def exact_factors(
    format: str, tensor: np.ndarray, whole: Sequence[int] = ()
) -> list[np.ndarray]:
    """Give factors whose product is the tensor to the last bit, at its full ranks.

    One factor is the tensor, the others only put its entries where they belong. A ring
    is given as the train with r_0 = 1.
    """
    if format == "svd":
        return _exact_svd(tensor)
    if format == "tucker":
        return _exact_tucker(tensor, whole)
    return _exact_train(tensor)


def _exact_svd(tensor: np.ndarray) -> list[np.ndarray]:
    rows, columns = tensor.shape
    if rows <= columns:
        return [np.eye(rows, dtype=tensor.dtype), tensor.copy()]
    return [tensor.copy(), np.eye(columns, dtype=tensor.dtype)]


def _exact_tucker(tensor: np.ndarray, whole: Sequence[int]) -> list[np.ndarray]:
    """Where one mode is longer than the others' product, its matrix is the tensor."""
    modes = tensor.shape
    units = [np.eye(mode, dtype=tensor.dtype) for mode in modes]
    for mode, rank in enumerate(full_ranks("tucker", modes)):
        if rank < modes[mode] and mode not in whole:
            moved = np.moveaxis(tensor, mode, -1)
            core = np.eye(rank, dtype=tensor.dtype).reshape(*moved.shape[:-1], rank)
            units[mode] = moved.reshape(rank, -1).T.copy()
            return [np.moveaxis(core, -1, mode).copy(), *units]
    return [tensor.copy(), *units]


def _exact_train(tensor: np.ndarray) -> list[np.ndarray]:
    """Left of the largest bond every core is a unit, right of it as well."""
    modes, d = tensor.shape, tensor.ndim
    lefts = [math.prod(modes[:k]) for k in range(d + 1)]
    ranks = [min(left, lefts[-1] // left) for left in lefts]
    turn = next(k for k in range(d) if lefts[k + 1] >= lefts[-1] // lefts[k + 1])
    shapes = list(zip(ranks[:-1], modes, ranks[1:], strict=True))
    return [
        (tensor.copy() if k == turn else _unit(k < turn, shape, tensor.dtype)).reshape(
            shape
        )
        for k, shape in enumerate(shapes)
    ]


def _unit(left: bool, shape: tuple[int, int, int], dtype: np.dtype) -> np.ndarray:
    return np.eye(shape[2] if left else shape[0], dtype=dtype)
