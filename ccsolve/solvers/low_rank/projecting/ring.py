"""Projection on tensor rings: a heuristic, for the set is not closed."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.gram import Leading, leading_eigenvectors, leading_subspace
from ccsolve.solvers.low_rank.projecting.chains import Core, product

_RIDGE = 4.0
"""Of the subchain's Gram matrix, in eps of its largest diagonal entry."""


_LOOSE = 0.3
"""Length of columns of the first core that the first mode has no use for."""


class Ring(NamedTuple):
    """Cores (r_before, mode, r_behind), the last one's r_behind the first's r_before.

    ``forward`` is the direction of the next sweep.
    """

    cores: tuple[Core, ...]
    forward: bool


def cold_ring(
    T: np.ndarray, ranks: Sequence[int], leading: Leading = leading_subspace
) -> Ring:
    """Give the TR-SVD of T (Zhao et al., arXiv:1606.05535): one cut, then a train.

    The first mode's leading r_0·r_1 singular vectors are dealt to the two bonds, and
    what is left is a train from bond 1 to bond 0. Where the mode holds fewer, the rest
    of the core is some numbers: with zeros there, and in the other cores where they
    meet them, least squares of one core at a time could never use these ranks.
    """
    first, last = ranks[0], ranks[1] if len(ranks) > 1 else ranks[0]
    A = T.reshape(T.shape[0], -1)
    kept = min(first * last, *A.shape)
    basis = _loose(len(A), first * last).astype(T.dtype)
    basis[:, :kept] = _sorted_basis(A, kept, leading)
    cores = [basis.reshape(-1, first, last).transpose(1, 0, 2)]
    rest = np.zeros((first * last, A.shape[1]), T.dtype)
    rest[:kept] = basis[:, :kept].T @ A
    rest = rest.reshape(first, last, *T.shape[1:])
    rest, before = np.moveaxis(rest, 0, -1), last
    for mode, rank in zip(T.shape[1:-1], ranks[2:], strict=True):
        wide = np.ascontiguousarray(rest).reshape(before * mode, -1)
        kept = min(rank, *wide.shape)
        columns = np.zeros((len(wide), rank), T.dtype)
        columns[:, :kept] = leading(wide, kept).basis
        cores.append(columns.reshape(before, mode, rank))
        rest, before = columns.T @ wide, rank
    cores.append(np.ascontiguousarray(rest).reshape(before, T.shape[-1], first))
    return Ring(tuple(np.ascontiguousarray(core) for core in cores), True)


def _sorted_basis(A: np.ndarray, rank: int, leading: Leading) -> np.ndarray:
    """Give leading singular vectors by size: what matters little goes to the end."""
    basis = leading(A, rank).basis
    rows = basis.T @ A
    return basis @ leading_eigenvectors(rows @ rows.T, rank)[1]


def _loose(rows: int, columns: int) -> np.ndarray:
    """Give the same numbers every time, columns of length about `_LOOSE`."""
    numbers = np.random.default_rng(0).standard_normal((rows, columns))
    return _LOOSE / math.sqrt(rows) * numbers


def warm_ring(T: np.ndarray, old: Ring) -> Ring:
    """Give the ring after one sweep of alternating least squares; 2Nr² a core.

    Each core solves its normal equations with the others held, with a ridge towards
    the old core at the level of rounding, so that the error does not rise beyond its
    root.
    """
    cores, order = list(old.cores), range(len(old.cores))
    for k in order if old.forward else reversed(order):
        cores[k] = _best_core(T, cores, k)
    return Ring(tuple(cores), not old.forward)


def ring_tensor(cores: Sequence[Core]) -> np.ndarray:
    """Give the tensor of a ring, modes in order."""
    modes = tuple(core.shape[1] for core in cores)
    if len(cores) == 1:
        return np.einsum("imi->m", cores[0])
    rest = product(cores[1:])
    turned = rest.transpose(2, 0, 1).reshape(-1, rest.shape[1])
    rows = cores[0].transpose(1, 0, 2).reshape(modes[0], -1)
    return (rows @ turned).reshape(modes)


def _best_core(T: np.ndarray, cores: Sequence[Core], k: int) -> Core:
    a, mode, b = cores[k].shape
    others = [*cores[k + 1 :], *cores[:k]]
    if not others:
        return np.einsum("m,ij->imj", T, np.eye(a, dtype=T.dtype) / a)
    chain = product(others)
    S = chain.transpose(2, 0, 1).reshape(a * b, -1)
    before = int(np.prod(T.shape[:k]))
    # The chain runs over the modes behind k, then over those before it.
    A = T.reshape(before, mode, -1).transpose(1, 2, 0).reshape(mode, -1)
    old = cores[k].transpose(1, 0, 2).reshape(mode, -1)
    return _solved(A, S, old).reshape(mode, a, b).transpose(1, 0, 2).copy()


def _solved(A: np.ndarray, S: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Give the X (mode, ab) of least ‖A - XS‖² + ridge‖X - old‖², in float64."""
    gram = (S @ S.T).astype(np.float64)
    right = (A @ S.T).astype(np.float64)
    ridge = _RIDGE * float(np.finfo(A.dtype).eps) * float(np.trace(gram))
    if ridge <= 0.0:
        return old
    gram[np.diag_indices_from(gram)] += ridge
    right += ridge * old
    return np.linalg.solve(gram, right.T).T.astype(A.dtype)
