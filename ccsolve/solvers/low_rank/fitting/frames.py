"""Frames in which a covariance is the identity, so that fits are projections."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccsolve.linalg.orthonormal import orthonormal
from ccsolve.problems import LowRankFit
from ccsolve.problems.mode_covariance import ModeBlock
from ccsolve.problems.tensor_formats import Modes, Ranks, fitting_ranks, full_ranks
from ccsolve.solvers.low_rank.projecting.tucker import along


@dataclass(frozen=True, eq=False)
class Frame:
    """A fit seen through one matrix for each mode.

    Attributes
    ----------
    problem : the fit
    roots : (m_k, q_k) for each mode, root·rootᵀ its covariance; None for the identity
    exact : the roots' Kronecker product is that of the covariance; else it is near
    tensor : T with every root's transpose applied, in T's type
    """

    problem: LowRankFit
    roots: tuple[np.ndarray | None, ...]
    exact: bool
    tensor: np.ndarray

    @property
    def modes(self) -> Modes:
        """The frame's own modes, q_k where m_k had a root."""
        return self.tensor.shape

    def ranks(self, ranks: Ranks) -> Ranks:
        """Give the ranks, lowered to what the frame's modes have room for."""
        format, whole = self.problem.format, self.problem.whole
        most = list(full_ranks(format, self.modes))
        for mode in whole:
            most[mode] = self.modes[mode]
        sizes = [self.modes[k] if k in whole else r for k, r in enumerate(ranks)]
        given = tuple(map(min, sizes, most))
        return fitting_ranks(format, self.modes, given, whole)

    def seen(self, factors: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Give the factors of Z in the frame from Z's."""
        roots = [None if root is None else root.T for root in self.roots]
        return self._applied(factors, roots)

    def unseen(self, factors: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Give factors of a Z from those in the frame.

        A singular covariance leaves some Z's alike; it is the least of them, but of
        "svd" the one whose rows are combinations of T's.
        """
        roots = [None if root is None else _inverted(root.T) for root in self.roots]
        if self.problem.format == "svd":
            return self._unseen_pair(factors[0], roots[0])
        return self._applied(factors, roots)

    def _unseen_pair(self, left: np.ndarray, back: np.ndarray | None) -> list:
        """Give [L, R] of the projection on the columns of the frame's left factor."""
        Q, rows = orthonormal(left), self.problem.tensor
        if back is None or self.roots[0] is None:
            return [Q, Q.T @ rows]
        root = self.roots[0].astype(rows.dtype)
        return [back.astype(rows.dtype) @ Q, (Q.T @ root.T) @ rows]

    def _applied(
        self, factors: Sequence[np.ndarray], matrices: Sequence[np.ndarray | None]
    ) -> list[np.ndarray]:
        format, found = self.problem.format, list(factors)
        first = 1 if format == "tucker" else 0
        for k, matrix in enumerate(matrices):
            if matrix is not None:
                axis = k if format == "svd" else int(format != "tucker")
                factor = found[k + first]
                found[k + first] = along(factor, matrix.astype(factor.dtype), axis)
        return found


def frame_of(problem: LowRankFit) -> Frame:
    """Give a frame for the fit; O(NΣm).

    A covariance of single modes has an exact one. One that acts on several modes at
    once is replaced by the Kronecker product of its partial traces, which is only a
    place to start from.
    """
    roots: list[np.ndarray | None] = [None] * len(problem.modes)
    for block in problem.blocks:
        if block.stop - block.start == 1:
            roots[block.start] = block.root
        else:
            roots[block.start : block.stop] = _partial_roots(block, problem.modes)
    exact = all(block.stop - block.start == 1 for block in problem.blocks)
    tensor = problem.tensor
    for k, root in enumerate(roots):
        if root is not None:
            tensor = along(tensor, root.T.astype(tensor.dtype), k)
    return Frame(problem, tuple(roots), exact, tensor)


def _partial_roots(block: ModeBlock, modes: Modes) -> list[np.ndarray | None]:
    """Give a root for each mode of the block: of the mean over all the others."""
    sizes = modes[block.start : block.stop]
    p, q = block.root.shape
    roots: list[np.ndarray | None] = []
    for k, size in enumerate(sizes):
        before = math.prod(sizes[:k])
        parts = block.root.reshape(before, size, -1, q)
        rows = parts.transpose(1, 0, 2, 3).reshape(size, -1)
        values, vectors = np.linalg.eigh(rows @ rows.T * (size / p))
        seen = values > np.finfo(np.float64).eps * size * max(values[-1], 0.0)
        # A block of zeros is a frame without any mode: one must be left.
        seen[-1] = True
        scale = np.sqrt(np.maximum(values[seen], np.finfo(np.float64).tiny))
        roots.append(vectors[:, seen] * scale)
    return roots


def _inverted(M: np.ndarray) -> np.ndarray:
    """Give the pseudo-inverse of Rᵀ (q, m), m ≥ q, of full rank q."""
    if M.shape[0] == M.shape[1]:
        return np.linalg.inv(M)
    return np.linalg.pinv(M)
