"""Block-diagonal matrices below a positive definite one, proven to be below."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from ccsolve.linalg.rounding import EPS, TINY, gamma

_inverse = scipy.linalg.get_lapack_funcs(("potri",), dtype=np.float64)[0]

_product = scipy.linalg.get_blas_funcs(("symv",), dtype=np.float64)[0]

_FILL, _ALL = 0.7, 1.0 - 1e-6
"""Of the largest multiple: in all rounds but the last, and in the last."""

_CONDITION = 1e-12
"""Least over largest eigenvalue of a block whose inverse is of use."""

_CUTS = (1.0, 0.999, *(10.0**-power for power in range(1, 17)))
"""Parts of B that are tried until the rest is proven semidefinite."""


class Minorant(NamedTuple):
    """H = A + B exactly, A positive semidefinite, B block-diagonal and definite.

    Attributes
    ----------
    A : (d, d), proven positive semidefinite
    blocks : (n, g, g), the blocks of B but for the rounding of A
    inverses : (n, g, g), symmetric, of ``blocks``
    excess : (n,), tr(TᵀB_j⁻¹T) ≤ tr(Tᵀ·inverses_j·T) + excess_j·‖T‖²
    """

    A: np.ndarray
    blocks: np.ndarray
    inverses: np.ndarray
    excess: np.ndarray


def block_minorant(H: np.ndarray, group: int, rounds: int) -> Minorant:
    """Give a large B ⪯ H of blocks of that size; O(d³) a round.

    Of A, H at first, each round takes 0.7 (the last round all) of the largest
    multiple θ of diag(([A⁻¹]_jj)⁻¹) that leaves A definite: a block's share is what of
    it no other block explains. θ comes from Lanczos; that A is semidefinite is proven
    by a Cholesky factorisation, and B is cut until it is.

    Parameters
    ----------
    H : (d, d), with λ_min(H) ≥ 4(d + 2)·2.2e-16·tr H
    rounds : at least 1

    Raises
    ------
    LinAlgError
        Where H is not as definite as that.
    """
    blocks = np.zeros((len(H) // group, group, group))
    for turn in range(rounds):
        part = _ALL if turn == rounds - 1 else _FILL
        try:
            blocks = blocks + part * _share(_less(H, blocks), group)
        except np.linalg.LinAlgError:
            # Nothing is left to take that rounding would not take back.
            break
    return _proven(H, blocks)


def _share(A: np.ndarray, group: int) -> np.ndarray:
    """Give θ·([A⁻¹]_jj)⁻¹, (n, g, g)."""
    d = len(A)
    factor = scipy.linalg.cholesky(A, lower=True, check_finite=False)
    inverse = _inverse(factor, lower=1, overwrite_c=1)[0]
    own = diagonal_blocks(np.tril(inverse) + np.tril(inverse, -1).T, group)
    roots = np.linalg.cholesky(own)
    # R⁻¹A⁻¹R⁻ᵀ with own = RRᵀ has unit diagonal blocks; 1/λ_max of it is θ.
    inward = np.linalg.inv(roots)

    def scaled(v: np.ndarray) -> np.ndarray:
        parts = (inward.transpose(0, 2, 1) @ v.reshape(-1, group, 1)).ravel()
        image = _product(1.0, inverse, parts, lower=1)
        return (inward @ image.reshape(-1, group, 1)).ravel()

    return np.linalg.inv(own) / _largest_eigenvalue(scaled, d)


def _largest_eigenvalue(matvec: Callable[[np.ndarray], np.ndarray], d: int) -> float:
    """Give λ_max of a definite matrix of trace d by Lanczos; d where that fails."""
    if d <= 2:
        columns = np.array([matvec(unit) for unit in np.eye(d)])
        return float(np.linalg.eigvalsh(columns)[-1])
    operator: Any = scipy.sparse.linalg.LinearOperator
    start = np.random.default_rng(0).standard_normal(d)
    try:
        values = scipy.sparse.linalg.eigsh(
            operator((d, d), matvec=matvec, dtype=np.float64),
            k=1,
            which="LA",
            v0=start,
            return_eigenvectors=False,
        )
    except scipy.sparse.linalg.ArpackNoConvergence:
        return float(d)
    return float(values[0])


def _proven(H: np.ndarray, blocks: np.ndarray) -> Minorant:
    blocks = _well_conditioned(H, blocks)
    for cut in _CUTS:
        less = cut * blocks
        A = _less(H, less)
        if is_semidefinite(A):
            inverses = np.linalg.inv(less)
            inverses = 0.5 * (inverses + inverses.transpose(0, 2, 1))
            return Minorant(A, less, inverses, _excess(A, less, inverses))
    raise np.linalg.LinAlgError("the matrix is not definite enough to be proven so")


def _well_conditioned(H: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Put a multiple of the identity, below λ_min(H), where a block has no inverse."""
    blocks = 0.5 * (blocks + blocks.transpose(0, 2, 1))
    values = np.linalg.eigvalsh(blocks)
    bad = ~(values[:, 0] > _CONDITION * values[:, -1])
    least = (len(H) + 2) * EPS * float(np.trace(H))
    blocks[bad] = least * np.eye(blocks.shape[1])
    return blocks


def is_semidefinite(A: np.ndarray) -> bool:
    """Prove that A, as its floats stand, is positive semidefinite; O(d³/3).

    Where the Cholesky factorisation of A - σI runs to its end, λ_min(A - σI) ≥
    -2γ_{d+2}·tr (Rump, BIT 2006): σ is a little more than that.
    """
    d = len(A)
    trace = float(np.abs(np.diagonal(A)).sum())
    sigma = 2.5 * gamma(d + 2) * trace + d * TINY
    shifted = A.copy(order="F")
    shifted[np.diag_indices(d)] -= sigma
    try:
        scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return False
    return True


def _excess(A: np.ndarray, blocks: np.ndarray, inverses: np.ndarray) -> np.ndarray:
    """Give what `Minorant.excess` says, (n,).

    B_j = blocks_j + E, ‖E‖ ≤ u·‖A_jj‖, so B_j·inverses_j = I + F; the inverse of B_j is
    off by at most ‖inverses_j‖·‖F‖/(1 - ‖F‖).
    """
    group = blocks.shape[1]
    sizes = [_norms(part) for part in (blocks, inverses, diagonal_blocks(A, group))]
    off = _norms(blocks @ inverses - np.eye(group))
    off += sizes[1] * (gamma(group + 2) * sizes[0] + EPS * sizes[2])
    return np.where(off < 0.5, 2.0 * sizes[1] * off, np.inf)


def _norms(parts: np.ndarray) -> np.ndarray:
    return np.linalg.norm(parts, axis=(1, 2)) * (1.0 + 1e-12)


def diagonal_blocks(A: np.ndarray, group: int) -> np.ndarray:
    """Give the diagonal blocks of that size, (n, g, g)."""
    columns = np.arange(len(A)).reshape(-1, group)
    return A[columns[:, :, None], columns[:, None, :]]


def _less(H: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Give H - diag(blocks)."""
    n, group, _ = blocks.shape
    columns = np.arange(n * group).reshape(n, group)
    A = H.copy()
    A[columns[:, :, None], columns[:, None, :]] -= blocks
    return A
