"""What a covariance is at least, where a cut goes through its modes."""

import math
from collections.abc import Iterator

import numpy as np
import scipy.linalg

from ccsolve.linalg.rounding import gamma
from ccsolve.linalg.spectrum import eigenvalue_floor, frobenius_norm
from ccsolve.problems.mode_covariance import ModeBlock
from ccsolve.problems.tensor_formats import Modes

SHARE = 0.99
"""Of the computed factor: what is left over must be proven positive definite."""


def minorants(
    block: ModeBlock, modes: Modes, side: set[int]
) -> list[tuple[float, list[ModeBlock]]]:
    """Give every μ and blocks beside the cut with C ⪰ μ·⊗blocks, proven; O(p³).

    Where the two sides are the first and the last modes of C the blocks are its partial
    traces over them, or the inverses of those of C⁻¹, which are small where C is; μ is
    the smallest eigenvalue of C whitened by them. Both find out a Kronecker product.
    The last one is C ⪰ λ_min(C)·I, of no blocks; 0 where C is singular.
    """
    if len(block.root) > block.root.shape[1]:
        return [(0.0, [])]
    turn, matrix = _turn(block, side), block.matrix
    rounding = 1.1 * gamma(block.root.shape[1] + 2) * frobenius_norm(block.root) ** 2
    found = []
    if turn is not None:
        rows = math.prod(modes[block.start : turn])
        for A, B in _candidates(matrix, rows):
            factor, (first, last) = _kronecker(matrix, A, B, rounding)
            if factor > 0:
                beside = (block.start, turn, first), (turn, block.stop, last)
                found.append((factor, [ModeBlock(*one) for one in beside]))
    return [*found, (max(0.0, eigenvalue_floor(matrix) - rounding), [])]


def _candidates(C: np.ndarray, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield _traces(C, rows)
    try:
        A, B = _traces(np.linalg.inv(C), rows)
        A, B = np.linalg.inv(A), np.linalg.inv(B)
    except np.linalg.LinAlgError:
        return
    yield 0.5 * (A + A.T), 0.5 * (B + B.T)


def _traces(C: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the partial traces over the last and over the first modes."""
    parts = C.reshape(rows, len(C) // rows, rows, -1)
    return np.einsum("ibjb->ij", parts), np.einsum("aiaj->ij", parts)


def _turn(block: ModeBlock, side: set[int]) -> int | None:
    """Give the mode from which on the block is on the other side, if there is one."""
    inside = [mode in side for mode in range(block.start, block.stop)]
    changes = [k for k in range(1, len(inside)) if inside[k] != inside[k - 1]]
    return block.start + changes[0] if len(changes) == 1 else None


def _kronecker(
    C: np.ndarray, A: np.ndarray, B: np.ndarray, rounding: float
) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Give μ with C ⪰ μ·(A ⊗ B), and Cholesky factors of A and B; 0 where none is."""
    try:
        first, last = np.linalg.cholesky(A), np.linalg.cholesky(B)
    except np.linalg.LinAlgError:
        return 0.0, (A, B)
    inverse = np.kron(np.linalg.inv(first), np.linalg.inv(last))
    seen = inverse @ C @ inverse.T
    values = scipy.linalg.eigvalsh(seen, subset_by_index=(0, 0), check_finite=False)
    factor = SHARE * float(values[0])
    root = np.kron(first, last)
    rest = C - factor * (root @ root.T)
    slack = (
        rounding
        + 2.0
        * gamma(len(C) + 4)
        * abs(factor)
        * (frobenius_norm(first) * frobenius_norm(last)) ** 2
    )
    slack += 4.0 * gamma(2) * frobenius_norm(C)
    if factor <= 0 or eigenvalue_floor(0.5 * (rest + rest.T)) < slack:
        return 0.0, (first, last)
    return factor, (first, last)
