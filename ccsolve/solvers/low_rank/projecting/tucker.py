"""Projection on Tucker tensors with three or more compressed modes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.energy import energy
from ccsolve.linalg.gram import leading_subspace
from ccsolve.linalg.orthonormal import orthonormal


class Tucker(NamedTuple):
    """A Tucker tensor: a core, and one matrix (m_k, r_k) per mode, None where whole.

    ``held`` is the mode that the next sweep holds; energy and floor as in a `Train`.
    """

    core: np.ndarray
    bases: tuple[np.ndarray | None, ...]
    held: int
    energy: float
    floor: float


def cold_tucker(T: np.ndarray, ranks: Sequence[int]) -> Tucker:
    """Give the sequentially truncated HOSVD (Vannieuwenhoven et al., SISC 34, 2012).

    Mode after mode keeps the leading subspace of what the ones before left; the square
    of the error is the sum of the tails, the largest of which is the floor.
    """
    core, bases, tails = T, [], [0.0]
    for k, rank in enumerate(ranks):
        if rank == T.shape[k]:
            bases.append(None)
            continue
        basis, tail = leading_subspace(_unfolded(core, k), rank)
        bases.append(basis)
        tails.append(tail)
        core = along(core, basis.T, k)
    return Tucker(core, tuple(bases), _compressed(bases)[0], energy(core), max(tails))


def warm_tucker(
    T: np.ndarray, old: Tucker, out: np.ndarray | None = None
) -> tuple[Tucker, np.ndarray]:
    """Give the tensor after one sweep of orthogonal projections, and all its entries.

    The held mode's basis shrinks T first, 2Nr; on what is left each other basis is the
    best for the core and the other bases, so that ‖T - Z‖ never rises for the same T.
    """
    modes, bases = _compressed(old.bases), list(old.bases)
    small = along(T, _transposed(bases[old.held]), old.held)
    core = old.core
    for k in modes:
        if k == old.held:
            continue
        partial = small
        for other in modes:
            if other not in (k, old.held):
                partial = along(partial, _transposed(bases[other]), other)
        bases[k] = orthonormal(_unfolded(partial, k) @ _unfolded(core, k).T)
        core = along(partial, _transposed(bases[k]), k)
    held = modes[-1] if old.held == modes[0] else modes[0]
    # The tensor is expanded along the held mode last, when the rest is whole.
    order = [k for k in modes if k != old.held] + [old.held]
    Z = expanded(core, bases, order)
    if out is not None:
        out[...] = Z
        Z = out
    return Tucker(core, tuple(bases), held, energy(core), 0.0), Z


def expanded(
    core: np.ndarray, bases: Sequence[np.ndarray | None], order: Sequence[int]
) -> np.ndarray:
    """Give the tensor of a core and its bases, in that order of modes."""
    for k in order:
        basis = bases[k]
        core = core if basis is None else along(core, basis, k)
    return core


def along(T: np.ndarray, M: np.ndarray, k: int) -> np.ndarray:
    """Give T with M (p, m_k) applied along mode k: 2Np."""
    shape = (*T.shape[:k], len(M), *T.shape[k + 1 :])
    if k == T.ndim - 1:
        return (T.reshape(-1, T.shape[k]) @ M.T).reshape(shape)
    blocks = T.reshape(int(np.prod(T.shape[:k])), T.shape[k], -1)
    return np.matmul(M, blocks).reshape(shape)


def _unfolded(T: np.ndarray, k: int) -> np.ndarray:
    return np.moveaxis(T, k, 0).reshape(T.shape[k], -1)


def _transposed(basis: np.ndarray | None) -> np.ndarray:
    assert basis is not None  # Only compressed modes are asked for.
    return basis.T


def _compressed(bases: Sequence[np.ndarray | None]) -> list[int]:
    return [k for k, basis in enumerate(bases) if basis is not None]
