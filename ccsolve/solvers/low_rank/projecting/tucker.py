"""Projection on Tucker tensors with three or more compressed modes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.energy import energy
from ccsolve.linalg.gram import Leading, leading_subspace
from ccsolve.linalg.orthonormal import orthonormal

Bases = Sequence[np.ndarray | None]
"""One matrix (m_k, r_k) of orthonormal columns for each mode, None where whole."""


class Tucker(NamedTuple):
    """A Tucker tensor: a core, and one matrix (m_k, r_k) per mode, None where whole.

    ``held`` is the mode that the next sweep holds; energy and floor as in a `Train`.
    """

    core: np.ndarray
    bases: tuple[np.ndarray | None, ...]
    held: int
    energy: float
    floor: float


def cold_tucker(
    T: np.ndarray, ranks: Sequence[int], leading: Leading = leading_subspace
) -> Tucker:
    """Give the sequentially truncated HOSVD (Vannieuwenhoven et al., SISC 34, 2012).

    Mode after mode keeps the leading subspace of what the ones before left; the square
    of the error is the sum of the tails, the largest of which is the floor.
    """
    core, bases, tails = T, [], [0.0]
    for k, rank in enumerate(ranks):
        if rank == T.shape[k]:
            bases.append(None)
            continue
        basis, tail = leading(_unfolded(core, k), rank)
        bases.append(basis)
        tails.append(tail)
        core = along(core, basis.T, k)
    return Tucker(core, tuple(bases), compressed(bases)[0], energy(core), max(tails))


def swept_tucker(T: np.ndarray, old: Tucker) -> Tucker:
    """Give the tensor after one sweep of orthogonal projections.

    The held mode's basis shrinks T first, 2Nr; on what is left each other basis is the
    best for the core and the other bases, so that ‖T - Z‖ never rises for the same T.
    The held mode is the first and the last by turns.
    """
    modes, bases, core = compressed(old.bases), list(old.bases), old.core
    small = shrunk(T, bases, [old.held])
    for k in modes:
        if k != old.held:
            others = [other for other in modes if other not in (k, old.held)]
            partial = shrunk(small, bases, others)
            basis = orthonormal(_unfolded(partial, k) @ _unfolded(core, k).T)
            bases[k] = basis
            core = along(partial, basis.T, k)
    held = modes[-1] if old.held == modes[0] else modes[0]
    return Tucker(core, tuple(bases), held, energy(core), 0.0)


def tucker_tensor(tucker: Tucker, out: np.ndarray | None = None) -> np.ndarray:
    """Give the tensor, written to ``out`` where given; 2Nr."""
    Z = expanded(tucker.core, tucker.bases)
    if out is None:
        return Z
    out[...] = Z
    return out


def expanded(core: np.ndarray, bases: Bases) -> np.ndarray:
    """Give the core with all bases applied, that of the first mode last."""
    for k in reversed(compressed(bases)):
        basis = bases[k]
        core = core if basis is None else along(core, basis, k)
    return core


def shrunk(T: np.ndarray, bases: Bases, modes: Sequence[int]) -> np.ndarray:
    """Give T with the transposed bases of those modes applied."""
    for k in modes:
        basis = bases[k]
        T = T if basis is None else along(T, basis.T, k)
    return T


def along(T: np.ndarray, M: np.ndarray, k: int) -> np.ndarray:
    """Give T with M (p, m_k) applied along mode k: 2Np."""
    shape = (*T.shape[:k], len(M), *T.shape[k + 1 :])
    if k == T.ndim - 1:
        return (T.reshape(-1, T.shape[k]) @ M.T).reshape(shape)
    blocks = T.reshape(int(np.prod(T.shape[:k])), T.shape[k], -1)
    return np.matmul(M, blocks).reshape(shape)


def _unfolded(T: np.ndarray, k: int) -> np.ndarray:
    return np.moveaxis(T, k, 0).reshape(T.shape[k], -1)


def compressed(bases: Bases) -> list[int]:
    """Give the modes that have a basis."""
    return [k for k, basis in enumerate(bases) if basis is not None]
