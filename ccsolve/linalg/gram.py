"""Leading singular subspaces from Gram matrices, safe in float32."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from ccsolve.linalg.energy import energy
from ccsolve.linalg.orthonormal import orthonormal

TRUSTED = 1000.0
"""Parts of the energy below this many eps are noise in a Gram matrix."""

_CHUNK = 1 << 21
"""Entries that are widened to float64 at a time."""

_STEPS = 3
"""The first may have to start from directions that are noise below the tail."""

_SUBSET = 0.25
"""Part of all eigenvectors up to which computing those alone is faster."""


class Subspace(NamedTuple):
    """Orthonormal columns U (m, r), and the energy ‖A - UUᵀA‖² that they leave."""

    basis: np.ndarray
    tail: float


Leading = Callable[[np.ndarray, int], Subspace]
"""What gives a leading subspace of a matrix (m, n) and a rank."""


def leading_subspace(A: np.ndarray, rank: int) -> Subspace:
    """Give the top ``rank`` left singular vectors of A (m, n), and the tail's energy.

    They are eigenvectors of the smaller of AAᵀ and AᵀA: mn·min(m, n) of matrix products
    and one eigendecomposition of min(m, n)³. A Gram matrix in A's precision eps loses
    what is below √eps of the largest singular value; where the tail comes near, float32
    is done again in float64, and float64 is followed by steps on the data itself.
    """
    if rank >= min(A.shape):
        return Subspace(_whole_basis(A, rank), 0.0)
    found, trusted = _by_gram(A, A.dtype, rank)
    if trusted:
        return found
    if A.dtype == np.float32:
        found, _ = _by_gram(A, np.dtype(np.float64), rank)
        return found
    return _steps_on_data(A, found.basis)


def gram(A: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Give AAᵀ (m, m), summed in that precision; no widened copy of A is made."""
    if A.dtype == dtype:
        return A @ A.T
    total = np.zeros((len(A), len(A)), dtype)
    width = max(1, _CHUNK // max(1, len(A)))
    for start in range(0, A.shape[1], width):
        part = A[:, start : start + width].astype(dtype)
        total += part @ part.T
    return total


def leading_eigenvectors(G: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the ``rank`` largest eigenvalues, falling, and their vectors (m, r)."""
    m = len(G)
    if rank <= _SUBSET * m:
        values, vectors = scipy.linalg.eigh(
            G, subset_by_index=(m - rank, m - 1), driver="evr", check_finite=False
        )
    else:
        values, vectors = scipy.linalg.eigh(G, driver="evd", check_finite=False)
    return values[::-1][:rank], np.ascontiguousarray(vectors[:, ::-1][:, :rank])


def _by_gram(A: np.ndarray, dtype: np.dtype, rank: int) -> tuple[Subspace, bool]:
    m, n = A.shape
    G = gram(A if m <= n else A.T, dtype)
    total = float(np.trace(G, dtype=np.float64))
    values, vectors = leading_eigenvectors(G, rank)
    tail = max(0.0, total - float(values.sum(dtype=np.float64)))
    basis = vectors.astype(A.dtype, copy=False)
    if m > n:
        basis = orthonormal(A @ basis)
    return Subspace(basis, tail), tail > TRUSTED * float(np.finfo(dtype).eps) * total


def _whole_basis(A: np.ndarray, rank: int) -> np.ndarray:
    """Give a basis of all of A's range: exact, whatever the spectrum."""
    m = len(A)
    if rank >= m:
        return np.eye(m, rank, dtype=A.dtype)
    return orthonormal(np.ascontiguousarray(A)[:, :rank])


def _steps_on_data(A: np.ndarray, basis: np.ndarray) -> Subspace:
    """Give the subspace after a few steps of subspace iteration; 4mnr each."""
    for _ in range(_STEPS):
        rows = orthonormal(A.T @ basis)
        basis = orthonormal(A @ rows)
    rest = A - basis @ (basis.T @ A)
    return Subspace(basis, energy(rest))
