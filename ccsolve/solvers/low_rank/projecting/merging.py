"""Bonds of full rank: they are no constraint, and their modes can be merged."""

import functools
from typing import NamedTuple

import numpy as np


class Merge(NamedTuple):
    """Mode ``position`` and the next one became one; the bond was full on that side."""

    position: int
    from_left: bool
    first: int
    second: int


class Merged(NamedTuple):
    """A tensor train's modes and bonds that constrain it, and how they came about.

    Attributes
    ----------
    modes : merged modes
    ranks : one per bond between them, each below full rank
    merges : in the order in which they were made
    """

    modes: tuple[int, ...]
    ranks: tuple[int, ...]
    merges: tuple[Merge, ...]


@functools.lru_cache(maxsize=4096)
def merged(modes: tuple[int, ...], ranks: tuple[int, ...]) -> Merged:
    """Merge the modes at bonds of full rank; the trains of these ranks stay the same.

    With r_k = r_{k-1}·m_k the core k is a square matrix, which the next core can take
    over; so can the one before where r_{k-1} = m_k·r_k. Ranks for which the neighbours
    leave no room are lowered before.
    """
    sizes, bonds = list(modes), [1, *_lowered(modes, ranks), 1]
    merges: list[Merge] = []
    k = 0
    while k + 1 < len(sizes):
        from_left = bonds[k] * sizes[k] == bonds[k + 1]
        if not from_left and sizes[k + 1] * bonds[k + 2] != bonds[k + 1]:
            k += 1
            continue
        merges.append(Merge(k, from_left, sizes[k], sizes[k + 1]))
        sizes[k : k + 2] = [sizes[k] * sizes[k + 1]]
        del bonds[k + 1]
        # The bond before may have become full by the wider mode's bond behind.
        k = max(0, k - 1)
    return Merged(tuple(sizes), tuple(bonds[1:-1]), tuple(merges))


def _lowered(modes: tuple[int, ...], ranks: tuple[int, ...]) -> list[int]:
    lowered, left = [], 1
    for mode, rank in zip(modes, ranks, strict=False):
        left = min(rank, left * mode)
        lowered.append(left)
    right = 1
    for k in range(len(lowered) - 1, -1, -1):
        right = min(lowered[k], modes[k + 1] * right)
        lowered[k] = right
    return lowered


def split(cores: list[np.ndarray], merges: tuple[Merge, ...]) -> list[np.ndarray]:
    """Give the cores of all modes from those of the merged ones; no arithmetic."""
    cores = list(cores)
    for k, from_left, first, second in reversed(merges):
        core = cores[k]
        a, _, b = core.shape
        if from_left:
            whole = np.eye(a * first, dtype=core.dtype).reshape(a, first, a * first)
            parts = [whole, core.reshape(a * first, second, b)]
        else:
            whole = np.eye(second * b, dtype=core.dtype).reshape(second * b, second, b)
            parts = [core.reshape(a, first, second * b), whole]
        cores[k : k + 1] = parts
    return cores
