"""Squared norms of large tensors in float64, a slab of rows at a time."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ccsolve.problems.mode_covariance import ModeBlock, whitened

SLAB = 2**22
"""Entries of a slab: 32 MB in float64."""

Halves = tuple[np.ndarray, np.ndarray]


def squared_distance(
    tensor: np.ndarray, halves: Halves | None, blocks: Sequence[ModeBlock]
) -> float:
    """Give ‖(T - Z)C^½‖² with Z the product of two halves, or zero; in float64.

    Beside the halves in float64 a few slabs are held; where C acts on the first mode
    one slab is everything. O(N·(r + Σp)).

    Parameters
    ----------
    tensor : T, in C order.
    halves : (M, r) and (r, N/M), float64.
    blocks : those of C, in order.
    """
    first = blocks[0].start if blocks else tensor.ndim
    if halves is None:
        rows = math.prod(tensor.shape[: min(first, 1)])
    else:
        rows = len(halves[0])
    matrix = tensor.reshape(rows, -1)
    # Modes that C mixes are not cut: rows that differ in them alone stay together.
    together = rows // math.gcd(rows, math.prod(tensor.shape[:first]))
    total = [
        _squared(_rows_of(matrix, halves, at), tensor.shape, blocks)
        for at in _slices(*matrix.shape, together)
    ]
    return math.fsum(total)


def _slices(rows: int, columns: int, together: int) -> Iterator[slice]:
    height = together * max(1, SLAB // max(1, columns * together))
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def _rows_of(matrix: np.ndarray, halves: Halves | None, at: slice) -> np.ndarray:
    rows = matrix[at].astype(np.float64)
    if halves is not None:
        rows -= halves[0][at] @ halves[1]
    return rows


def _squared(
    rows: np.ndarray, modes: tuple[int, ...], blocks: Sequence[ModeBlock]
) -> float:
    if blocks:
        rows = whitened(rows, *_within(rows.size, modes, blocks))
    flat = rows.reshape(-1)
    return float(flat @ flat)


def _within(
    size: int, modes: tuple[int, ...], blocks: Sequence[ModeBlock]
) -> tuple[tuple[int, ...], list[ModeBlock]]:
    """Give modes and blocks of a slab: one leading mode, then those from C's first."""
    first = blocks[0].start
    rest = modes[first:]
    moved = [ModeBlock(b.start - first + 1, b.stop - first + 1, b.root) for b in blocks]
    return (size // math.prod(rest), *rest), moved
