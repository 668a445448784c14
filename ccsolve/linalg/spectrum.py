"""Proven lower bounds of the smallest eigenvalue, on the space or on a hyperplane."""

import numpy as np
import scipy.linalg

from ccsolve.linalg.rounding import EPS, TINY, gamma


def frobenius_norm(A: np.ndarray) -> float:
    """Give an upper bound of ‖A‖_F; no overflow or underflow on the way."""
    if A.size == 0:
        return 0.0
    norm = scipy.linalg.norm(A.ravel(order="K"), check_finite=False)
    return float(norm) * (1.0 + gamma(A.size))


def onto_hyperplane(Q: np.ndarray) -> tuple[np.ndarray, float]:
    """Give Q restricted to 1ᵀx = 0, (n-1, n-1), and a bound of its rounding error.

    The Householder reflection H = I - βvvᵀ, v = 1/√n + e₁, maps 1/√n to -e₁; its other
    columns are an orthonormal basis of the hyperplane. With p = βQv, w = p - ½β(vᵀp)v,
    HQH = Q - vwᵀ - wvᵀ, of which the first row and column are dropped: O(n²). Each of
    the three steps is a product of n terms with factors of norm ≤ 2: the error is below
    16γ_n‖Q‖_F in the Frobenius norm, and so in every eigenvalue.
    """
    n = Q.shape[0]
    v, beta = reflector(n)
    p = beta * (Q @ v)
    w = p - (0.5 * beta * (v @ p)) * v
    restricted = Q[1:, 1:] - np.outer(v[1:], w[1:])
    restricted -= np.outer(w[1:], v[1:])
    return restricted, 16.0 * gamma(n) * frobenius_norm(Q)


def reflector(n: int) -> tuple[np.ndarray, float]:
    """Give (v, β) of the reflection I - βvvᵀ that maps 1/√n to -e₁."""
    v = np.full(n, 1.0 / np.sqrt(n))
    v[0] += 1.0
    return v, 2.0 / float(v @ v)


def disc_floor(A: np.ndarray) -> float:
    """Give a lower bound of every eigenvalue from the rows alone, O(n²).

    Gershgorin: λ ≥ min_i (A_ii - Σ_{j≠i} |A_ij|), lowered by the rounding of the sums.
    """
    rows = np.abs(A).sum(axis=1)
    diagonal = np.diagonal(A)
    floors = diagonal - (rows - np.abs(diagonal)) - gamma(A.shape[0] + 4) * rows
    return float(floors.min(initial=np.inf))


def eigenvalue_floor(A: np.ndarray, estimate: float | None = None) -> float:
    """Give a proven lower bound close to λ_min(A); O(n³), 0 for the empty matrix.

    The computed eigenvalue is moved down a little, to σ, and certified: where the
    Cholesky factorisation of A - σI runs to its end in floating point, Rump
    (Verification of positive definiteness, BIT 2006) gives λ_min(A - σI) ≥ -γ_{n+1}/(1
    - γ_{n+1})·tr. Nothing is assumed of the eigenvalue routine. Should every
    factorisation fail, the discs of Gershgorin remain.

    Lanczos instead of the tridiagonal reduction was tried: it does not converge on the
    clustered small eigenvalues of low-rank curvature, the common case here.

    Parameters
    ----------
    A : (n, n) array, symmetric
    estimate : float, optional
        A computed smallest eigenvalue, where there is one.
    """
    n = A.shape[0]
    if n == 0:
        return 0.0
    if estimate is None:
        estimate = smallest_eigenvalue(A)
    trace = float(np.abs(np.diagonal(A)).sum()) + n * abs(estimate)
    margin = (n + 2) * EPS * trace + 4.0 * EPS * frobenius_norm(A)
    for widening in (1.0, 1e2, 1e4):
        floor = _certified(A, estimate - widening * margin)
        if floor is not None:
            return floor
    return disc_floor(A)


def smallest_eigenvalue(A: np.ndarray) -> float:
    """Give the computed λ_min(A): 0.3 s at n = 2,048, growing as n³."""
    values = scipy.linalg.eigvalsh(A, subset_by_index=(0, 0), check_finite=False)
    return float(values[0])


def _certified(A: np.ndarray, shift: float) -> float | None:
    """Give a proven floor near ``shift``, None where A - shift·I is not definite."""
    n = A.shape[0]
    shifted = A.copy(order="F")
    diagonal = np.diagonal(A) - shift
    shifted[np.diag_indices(n)] = diagonal
    try:
        scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return None
    forming = 2.0 * EPS * float(np.abs(diagonal).max() + abs(shift))
    return shift - 2.0 * gamma(n + 2) * float(diagonal.sum()) - forming - n * TINY
