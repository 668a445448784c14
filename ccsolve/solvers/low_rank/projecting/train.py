"""Projection on tensor trains: cold by Gram matrices, warm by alternating sweeps."""

import functools
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.energy import energy
from ccsolve.linalg.gram import Leading, leading_subspace
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
    rests : how many of the next warm steps may update one side alone
    """

    cores: tuple[Core, ...]
    centre: int
    left: bool
    energy: float
    floor: float
    rests: int = 0


SETTLED, RESTS, MOST = 3e-3, 4, 3
"""Where a half sweep lowers ‖T - Z‖² by a smaller part, so many steps take one only;
elsewhere so many at most."""


def cold_train(
    T: np.ndarray, ranks: Sequence[int], leading: Leading = leading_subspace
) -> Train:
    """Give the TT-SVD of T (Oseledets, SISC 33(5), 2011), bond by bond from the left.

    Each bond keeps the leading subspace of what the ones before left. The error's
    square is the sum of the tails, at most d - 1 times the largest, and no tensor of
    these ranks is nearer than the largest: the floor.
    """
    if T.ndim == 1:
        return Train((T.reshape(1, -1, 1).copy(),), 0, True, energy(T), 0.0)
    cores, tails, rest, before = [], [], T, 1
    for mode, rank in zip(T.shape[:-2], ranks, strict=False):
        A = rest.reshape(before * mode, -1)
        basis, tail = leading(A, rank)
        cores.append(basis.reshape(before, mode, rank))
        tails.append(tail)
        rest, before = basis.T @ A, rank
    A = rest.reshape(-1, T.shape[-1])
    last, centre, tail = _best_pair(A, ranks[-1], leading)
    cores += [last[0].reshape(before, -1, ranks[-1]), last[1][:, :, None]]
    at = len(cores) - 2 + centre
    return Train(tuple(cores), at, True, energy(cores[at]), max([*tails, tail]))


def _best_pair(
    A: np.ndarray, rank: int, leading: Leading
) -> tuple[tuple[np.ndarray, np.ndarray], int, float]:
    """Give the nearest product of that rank, which part is the centre, and the tail.

    The basis is taken on the smaller side, where it comes from the Gram matrix.
    """
    if len(A) <= A.shape[1]:
        left, tail = leading(A, rank)
        return (left, left.T @ A), 1, tail
    right, tail = leading(A.T, rank)
    return (A @ right, right.T), 0, tail


def warm_train(T: np.ndarray, whole: float, old: Train) -> Train:
    """Give the train after a step from an older one near it; ``whole`` is ‖T‖².

    Half sweeps, 2Nr each, as long as they gain, up to three; when T has settled, so
    that the second gains little, the next four steps take one only.
    """
    now = swept(T, old)
    if old.rests:
        return now._replace(rests=old.rests - 1)
    for extra in range(MOST - 1):
        before, now = now, swept(T, now)
        if now.energy - before.energy < SETTLED * (whole - before.energy):
            return now._replace(rests=0 if extra else RESTS)
    return now


def swept(T: np.ndarray, old: Train) -> Train:
    """Give the train after half a sweep of alternating least squares.

    One side of the train is held and contracted with T, 2Nr; the other side and the
    centre are updated on what is left, each core by an orthogonal projection, so that
    ‖T - Z‖ never rises for the same T. The sides alternate.
    """
    if len(old.cores) == 1:
        return cold_train(T, ())
    points = split_points(T.shape, tuple(core.shape[2] for core in old.cores[:-1]))
    if old.left:
        return _hold_left(T, old, points.left)
    return _hold_right(T, old, points.right)


def train_tensor(train: Train, out: np.ndarray | None = None) -> np.ndarray:
    """Give the tensor, (its modes), written to ``out`` where given; 2Nr."""
    modes = tuple(core.shape[1] for core in train.cores)
    Z = np.empty(modes, train.cores[0].dtype) if out is None else out
    c, centre = train.centre, train.cores[train.centre]
    left, right = _left(train.cores[:c]), _right(train.cores[c + 1 :])
    if right is None:
        _left_times(left, as_columns(centre), Z)
    elif left is None or left.shape[1] > len(right):
        inner = _left_times(left, as_columns(centre)).reshape(-1, len(right))
        np.matmul(inner, right, out=Z.reshape(len(inner), -1))
    else:
        _left_times(left, (as_rows(centre) @ right).reshape(left.shape[1], -1), Z)
    return Z


def _left(cores: Sequence[Core]) -> np.ndarray | None:
    """Give (their modes, r), the product of the cores before a centre."""
    return as_rows(product(cores)) if cores else None


def _right(cores: Sequence[Core]) -> np.ndarray | None:
    """Give (r, their modes), the product of the cores behind a centre."""
    return as_columns(product(cores)) if cores else None


def _left_times(
    left: np.ndarray | None, B: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Give left·B, B where there is no left side."""
    if left is not None:
        return np.matmul(
            left, B, out=None if out is None else out.reshape(len(left), -1)
        )
    if out is None:
        return B
    out[...] = B.reshape(out.shape)
    return out


class SplitPoints(NamedTuple):
    """The centres while the left and while the right side is held."""

    left: int
    right: int


@functools.lru_cache(maxsize=4096)
def split_points(modes: tuple[int, ...], ranks: tuple[int, ...]) -> SplitPoints:
    """Choose the centres of the sweeps for the least work.

    Both sweeps may have the centre c, so that each improves c and one side, and c needs
    no orthogonalisation; or they meet at a bond, each with its centre on the far side.
    Every core is updated by one of them.
    """
    bonds = (1, *ranks, 1)
    inner = {
        SplitPoints(c, c): _held_work(modes, bonds, c, c)
        for c in range(1, len(modes) - 1)
    }
    at_bond = {
        SplitPoints(b, b - 1): _held_work(modes, bonds, b, b - 1)
        + _turning_work(modes, bonds, b)
        for b in range(1, len(modes))
    }
    costs = {**inner, **at_bond}
    return min(costs, key=costs.__getitem__)


def _held_work(
    modes: tuple[int, ...], bonds: tuple[int, ...], left: int, right: int
) -> int:
    """Count the products of contracting each side, and three of what is left then."""
    behind = math.prod(modes[left:]) * bonds[left + 1]
    before = math.prod(modes[: right + 1]) * bonds[right]
    whole = math.prod(modes)
    return bonds[left] * (whole + 3 * behind) + bonds[right + 1] * (whole + 3 * before)


def _turning_work(modes: tuple[int, ...], bonds: tuple[int, ...], b: int) -> int:
    """Count the products of making the cores at bond b orthonormal, and both sides."""
    cores = bonds[b - 1] * modes[b - 1] + modes[b] * bonds[b + 1]
    before = math.prod(modes[:b]) * bonds[b - 1]
    behind = math.prod(modes[b:]) * bonds[b + 1]
    return bonds[b] * (4 * bonds[b] * cores + 2 * (before + behind))


def _hold_left(T: np.ndarray, old: Train, c: int) -> Train:
    cores = centred(old.cores, old.centre, c)
    held = _left(cores[:c])
    B = T.reshape(1, -1) if held is None else held.T @ T.reshape(len(held), -1)
    updated = _updated_right(B, cores[c:])
    return Train((*cores[:c], *updated), c, False, energy(updated[0]), 0.0)


def _hold_right(T: np.ndarray, old: Train, c: int) -> Train:
    cores = centred_left(old.cores, old.centre, c)
    held = _right(cores[c + 1 :])
    B = T if held is None else T.reshape(-1, held.shape[1]) @ held.T
    updated = _updated_left(B, cores[: c + 1])
    right = cores[c + 1 :]
    return Train((*updated, *right), c, True, energy(updated[-1]), 0.0)


def _updated_right(B: np.ndarray, cores: list[Core]) -> list[Core]:
    """Give new cores near B (a, m_c·...·m_d), the first the centre.

    The others get orthonormal rows. From the old cores come the left sides with which
    each core is found; only what these span counts, so they may be as they are.
    """
    if len(cores) == 1:
        return [B.reshape(cores[0].shape)]
    seen = [B.reshape(len(as_rows(cores[0])), -1)]
    for core, after in pairwise(cores):
        left = as_rows(core).T @ seen[-1]
        seen.append(left.reshape(after.shape[0] * after.shape[1], -1))
    basis = np.ones((1, 1), B.dtype)
    for k in range(len(cores) - 1, 0, -1):
        core = (seen[k] @ basis.T).reshape(cores[k].shape[0], -1)
        cores[k] = orthonormal(core.T).T.reshape(cores[k].shape)
        basis = (as_rows(cores[k]) @ basis).reshape(len(core), -1)
    cores[0] = (seen[0] @ basis.T).reshape(cores[0].shape)
    return cores


def _updated_left(B: np.ndarray, cores: list[Core]) -> list[Core]:
    """Give new cores near B (m_1·...·m_c, b), the last the centre: the mirror."""
    if len(cores) == 1:
        return [B.reshape(cores[0].shape)]
    seen = [B.reshape(-1, as_columns(cores[-1]).shape[1])]
    for k in range(len(cores) - 1, 0, -1):
        before = cores[k - 1]
        right = seen[-1] @ as_columns(cores[k]).T
        seen.append(right.reshape(-1, before.shape[1] * before.shape[2]))
    basis = np.ones((1, 1), B.dtype)
    for k, wide in zip(range(len(cores) - 1), reversed(seen[1:]), strict=True):
        core = (basis.T @ wide).reshape(-1, cores[k].shape[2])
        cores[k] = orthonormal(core).reshape(cores[k].shape)
        basis = (basis @ as_columns(cores[k])).reshape(-1, cores[k].shape[2])
    cores[-1] = (basis.T @ seen[0]).reshape(cores[-1].shape)
    return cores
