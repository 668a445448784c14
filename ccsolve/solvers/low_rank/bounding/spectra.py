"""Sums of the smallest squared singular values: computed, and proven from below."""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from ccsolve.linalg.gram import gram
from ccsolve.linalg.rounding import EPS, gamma

SMALL = 2**22
"""Multiplications below which singular values are taken of the matrix itself."""


class Tails(NamedTuple):
    """Σ_{i>r} σ_i² for r = 0..R, R the smaller side: falling.

    Attributes
    ----------
    found : (R + 1,) as computed.
    proven : (R + 1,) what they are at least.
    """

    found: np.ndarray
    proven: np.ndarray


def tails(W: np.ndarray, error: float = 0.0) -> Tails:
    """Give the tails of a matrix (m, n), float32 or float64, in float64.

    Of a small matrix its singular values; else the eigenvalues of the smaller of WWᵀ
    and WᵀW, which is summed a slab at a time, O(mn·min(m, n)), and loses what is below
    1e-16 of the largest eigenvalue.

    What is proven takes nothing of the eigenvalue routine on trust: the decomposition
    is multiplied out, and its residual, what its vectors lack to being orthonormal and
    all rounding come off by the theorems of Mirsky, and of Hoffman and Wielandt.

    Parameters
    ----------
    error : ‖W - W₀‖_F at most, where the tails of W₀ are wanted.
    """
    if min(W.shape) * W.size <= SMALL:
        values, distance = _singular_values(W.astype(np.float64))
        found = _sums(values**2)
        least = np.sqrt(found) * (1.0 - gamma(values.size + 4)) - distance
    else:
        found, summed = _gram_tails(W if W.shape[0] <= W.shape[1] else W.T)
        least = np.sqrt(np.maximum(0.0, summed))
    least = np.maximum(0.0, least - error)
    # What a larger rank loses a smaller one loses as well; the full one nothing.
    least[-1] = 0.0
    least = np.maximum.accumulate(least[::-1])[::-1]
    return Tails(found, least**2 * (1.0 - 4.0 * EPS))


def _sums(values: np.ndarray) -> np.ndarray:
    """Give the sums of all but the r largest of falling values, r = 0..R."""
    rising = np.maximum(0.0, values[::-1])
    return np.concatenate([[0.0], np.cumsum(rising)])[::-1]


def _singular_values(W: np.ndarray) -> tuple[np.ndarray, float]:
    """Give the singular values, and how far they are from the exact ones, in l2.

    W = UΣVᵀ + E. With H the symmetric polar factor of U, ‖H - I‖ ≤ ‖UᵀU - I‖ = δ, and
    so for V: exact and computed values differ by at most ‖E‖_F + 3(δ_U + δ_V)·σ_1.
    """
    U, values, Vt = scipy.linalg.svd(W, full_matrices=False, check_finite=False)
    residual = np.linalg.norm(W - (U * values) @ Vt)
    rounding = gamma(values.size + 4) * float(values.sum())
    rounding += 4.0 * EPS * float(np.linalg.norm(values))
    skew = _skew(U) + _skew(Vt.T)
    return values, 1.1 * (float(residual) + rounding + 3.0 * skew * float(values[0]))


def _skew(V: np.ndarray) -> float:
    """Give at least ‖VᵀV - I‖_F."""
    rows, columns = V.shape
    found = float(np.linalg.norm(V.T @ V - np.eye(columns)))
    return found + 1.1 * gamma(rows + 2) * columns


def _gram_tails(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the tails by WWᵀ (m, m), computed and proven.

    With G = VΛVᵀ + E and ‖VᵀV - I‖ ≤ δ, exact and computed eigenvalues differ by at
    most η = ‖E‖_F + 3δ·λ_1 in l2, so that sums of s of them differ by √s·η; the
    smaller of both sides' sums is the one to take, the trace being known.
    """
    m, n = W.shape
    G = gram(W, np.dtype(np.float64))
    values, V = scipy.linalg.eigh(G, driver="evd", check_finite=False)
    values, V = np.maximum(0.0, values[::-1]), V[:, ::-1]
    trace = float(np.trace(G))
    residual = float(np.linalg.norm(G - (V * values) @ V.T))
    summing = (gamma(n + 2) + gamma(2 * m + 8)) * 1.1 * trace
    eta = residual + summing + 3.3 * _skew(V) * float(values[0])
    found = _sums(values)
    count = np.arange(m + 1)
    upper = np.concatenate([[0.0], np.cumsum(values)])
    by_trace = trace - summing - upper - np.sqrt(count) * eta
    by_sum = found - np.sqrt(m - count) * eta
    rounding = 2.0 * gamma(m + 4) * trace
    return found, np.maximum(by_trace, by_sum) - rounding
