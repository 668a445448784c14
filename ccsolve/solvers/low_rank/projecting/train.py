"""Projection on tensor trains: cold by Gram matrices, warm by alternating sweeps."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.gram import leading_subspace
from ccsolve.linalg.orthonormal import orthonormal
from ccsolve.solvers.low_rank.projecting.chains import (
    Core,
    as_columns,
    as_rows,
    centred,
    centred_left,
    product,
)


class Train(NamedTuple):
    """A tensor train near some tensor.

    Attributes
    ----------
    cores : (r_before, mode, r_behind) each
    centre : cores before it have orthonormal columns, those behind orthonormal rows
    left : the next sweep holds the left side
    energy : ‖Z‖² of the train, what it captures of ‖T‖²
    floor : a lower bound of the energy that any train of these ranks leaves
    """

    cores: tuple[Core, ...]
    centre: int
    left: bool
    energy: float
    floor: float


def cold_train(T: np.ndarray, ranks: Sequence[int]) -> Train:
    """Give the TT-SVD of T (Oseledets, SISC 33(5), 2011), bond by bond from the left.

    Each bond keeps the leading subspace of what the ones before left. The error's
    square is the sum of the tails, at most d - 1 times the largest, and no tensor of
    these ranks is nearer than the largest: the floor.
    """
    cores, tails, rest, before = [], [0.0], T, 1
    for mode, rank in zip(T.shape, ranks, strict=False):
        A = rest.reshape(before * mode, -1)
        basis, tail = leading_subspace(A, rank)
        cores.append(basis.reshape(before, mode, rank))
        tails.append(tail)
        rest, before = basis.T @ A, rank
    cores.append(rest.reshape(before, T.shape[-1], 1))
    return Train(tuple(cores), len(cores) - 1, True, _energy(rest), max(tails))


def warm_train(
    T: np.ndarray, old: Train, out: np.ndarray | None = None
) -> tuple[Train, np.ndarray]:
    """Give the train after half a sweep of alternating least squares, and its tensor.

    One side of the train is held and contracted with T, 2Nr; the other side and the
    centre are updated on what is left, each core by an orthogonal projection, so that
    ‖T - Z‖ never rises for the same T; then Z is expanded, 2Nr. The sides alternate.
    """
    if len(old.cores) == 1:
        return _whole_train(T, out)
    plan = split_points(T.shape, tuple(core.shape[2] for core in old.cores[:-1]))
    if old.left:
        return _hold_left(T, old, plan.left, out)
    return _hold_right(T, old, plan.right, out)


def _whole_train(T: np.ndarray, out: np.ndarray | None) -> tuple[Train, np.ndarray]:
    """Give T itself, where no bond constrains it."""
    Z = np.empty_like(T) if out is None else out.reshape(T.shape)
    np.copyto(Z, T)
    return cold_train(T.copy(), ()), Z


class SplitPoints(NamedTuple):
    """The centres while the left and while the right side is held."""

    left: int
    right: int


@functools.lru_cache(maxsize=4096)
def split_points(modes: tuple[int, ...], ranks: tuple[int, ...]) -> SplitPoints:
    """Choose the centres of the sweeps such that both sides' bonds are narrow.

    At a centre c the sides have the ranks r_{c-1} and r_c; the two sweeps may also
    meet at one bond, each with its centre on the far side. Every core is updated by
    one of them.
    """
    d, bonds = len(modes), (1, *ranks, 1)
    inner = {SplitPoints(c, c): bonds[c] + bonds[c + 1] for c in range(1, d - 1)}
    at_bond = {SplitPoints(b, b - 1): 2 * bonds[b] for b in range(1, d)}
    costs = {**at_bond, **inner}
    return min(costs, key=costs.__getitem__)


def _hold_left(
    T: np.ndarray, old: Train, c: int, out: np.ndarray | None
) -> tuple[Train, np.ndarray]:
    cores = centred(old.cores, old.centre, c)
    held = as_rows(product(cores[:c]))
    B = (held.T @ T.reshape(len(held), -1)).reshape(-1, *T.shape[c:])
    updated, basis = _updated_right(B, cores[c:])
    centre = as_rows(updated[0])
    inner = (centre @ basis).reshape(held.shape[1], -1)
    Z = np.matmul(held, inner, out=_flat(out, held.shape[0])).reshape(T.shape)
    new = (*cores[:c], *updated)
    return Train(new, c, False, _energy(centre), 0.0), Z


def _hold_right(
    T: np.ndarray, old: Train, c: int, out: np.ndarray | None
) -> tuple[Train, np.ndarray]:
    cores = centred_left(old.cores, old.centre, c)
    held = as_columns(product(cores[c + 1 :]))
    B = (T.reshape(-1, held.shape[1]) @ held.T).reshape(*T.shape[: c + 1], -1)
    updated, basis = _updated_left(B, cores[: c + 1])
    centre = as_columns(updated[-1])
    inner = (basis @ centre).reshape(-1, held.shape[0])
    Z = np.matmul(inner, held, out=_flat(out, inner.shape[0])).reshape(T.shape)
    new = (*updated, *cores[c + 1 :])
    return Train(new, c, True, _energy(centre), 0.0), Z


def _updated_right(
    B: np.ndarray, cores: Sequence[Core]
) -> tuple[list[Core], np.ndarray]:
    """Give new cores near B (a, m_c, ..., m_d), the first the centre.

    The second value is the product of the others, (r, their modes), of orthonormal
    rows. From the old cores come the left sides with which each core is found.
    """
    cores = centred(cores, 0, len(cores) - 2)
    seen = [B.reshape(len(as_rows(cores[0])), -1)]
    for core, after in zip(cores[:-1], cores[1:], strict=True):
        left = as_rows(core).T @ seen[-1]
        seen.append(left.reshape(after.shape[0] * after.shape[1], -1))
    basis = np.ones((1, 1), B.dtype)
    for k in range(len(cores) - 1, 0, -1):
        core = (seen[k] @ basis.T).reshape(cores[k].shape[0], -1)
        Q = orthonormal(np.ascontiguousarray(core.T)).T
        cores[k] = Q.reshape(cores[k].shape)
        basis = (as_rows(cores[k]) @ basis).reshape(len(Q), -1)
    cores[0] = (seen[0] @ basis.T).reshape(cores[0].shape)
    return cores, basis


def _updated_left(
    B: np.ndarray, cores: Sequence[Core]
) -> tuple[list[Core], np.ndarray]:
    """Give new cores near B (m_1, ..., m_c, b), the last the centre: the mirror."""
    cores = centred_left(cores, len(cores) - 1, 1)
    seen = [B.reshape(-1, as_columns(cores[-1]).shape[1])]
    for k in range(len(cores) - 1, 0, -1):
        before = cores[k - 1]
        right = seen[-1] @ as_columns(cores[k]).T
        seen.append(right.reshape(-1, before.shape[1] * before.shape[2]))
    basis = np.ones((1, 1), B.dtype)
    for k, wide in zip(range(len(cores) - 1), reversed(seen[1:]), strict=True):
        core = (basis.T @ wide).reshape(-1, cores[k].shape[2])
        cores[k] = orthonormal(core).reshape(cores[k].shape)
        narrow = basis @ as_columns(cores[k])
        basis = narrow.reshape(-1, cores[k].shape[2])
    cores[-1] = (basis.T @ seen[0]).reshape(cores[-1].shape)
    return cores, basis


def _energy(core: np.ndarray) -> float:
    flat = core.reshape(-1)
    return float(np.dot(flat, flat))


def _flat(out: np.ndarray | None, rows: int) -> np.ndarray | None:
    return None if out is None else out.reshape(rows, -1)
