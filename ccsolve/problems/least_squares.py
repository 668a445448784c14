"""The program in scaled columns, made definite: what objective and methods compute on.

Numpy alone: a problem scores its points without scipy.
"""

from typing import NamedTuple

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import LARGEST, frozen
from ccsolve.problems.output_weights import through_root

_EPS = float(np.finfo(np.float64).eps)

ROUNDED = 1e-6
"""Negative eigenvalues up to this, of unit diagonals, are the rounding of float32."""

STICKING_OUT = 1e-5
"""Part of the cross moments that may lie outside the range of the moments."""

_REFINEMENTS = 3
"""Each removes all but a part shift/(λ + shift) of the error along an eigenvector."""


class LeastSquares(NamedTuple):
    """½tr(VᵀHV) - tr(CᵀV) + offset, W = scale·V, over V that vanish off the kept.

    The columns are scaled by powers of two, exactly, to diagonals of H within [½, 2];
    columns that never vary have diagonal 1 and nothing else. M is inside C = G·M^½,
    compressed to at most d columns.

    H is positive definite: λ_min ≥ τ = 4(d + 2)·2.2e-16·tr H, so that the Cholesky
    factorisation of every part of it runs to its end in floating point. Moments for
    which this does not hold are ridged, by ``shift`` towards the minimiser V* that
    keeps all, which adds ½shift·‖V_S - V*‖² to the objective: shift = 2τ for matrices
    that are positive semidefinite up to τ, 2e-6 up to 1e-6, where float32 leaves them.

    Attributes
    ----------
    H : (d, d), C : (d, r), G : (d, n_out), scale : (d,)
    shift, offset : both 0 where the moments are definite.
    """

    H: np.ndarray
    C: np.ndarray
    G: np.ndarray
    scale: np.ndarray
    shift: float
    offset: float


def least_squares(
    moments: np.ndarray, cross: np.ndarray, weights: np.ndarray | None
) -> LeastSquares:
    """Scale the columns, take M in, and make H definite: a Cholesky, O(d³), or two.

    Raises
    ------
    InvalidProblem
        For indefinite moments, or cross moments outside of their range.
    """
    scale = _scale(moments)
    H = moments * scale * scale[:, None]
    G = cross * scale[:, None]
    _settle_idle_columns(H, G)
    tau = 4.0 * (len(H) + 2) * _EPS * float(np.trace(H))
    shift, offset = 0.0, 0.0
    if not _is_definite(H, -tau):
        shift = 2.0 * _least_ridge(H, tau)
        best = _minimiser(H, G, shift)
        H[np.diag_indices(len(H))] += shift
        G = H @ best
        offset = 0.5 * shift * _square(through_root(best, weights))
    C = _compressed(through_root(G, weights))
    _require_room_for_squares(C, offset)
    return LeastSquares(frozen(H), frozen(C), frozen(G), frozen(scale), shift, offset)


def _square(V: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        return float(np.square(V).sum())


def _require_room_for_squares(C: np.ndarray, offset: float) -> None:
    if not max(_square(C), offset) < LARGEST:
        raise InvalidProblem(
            "cross is too large against moments: the objective would overflow; rescale "
            "the problem"
        )


def _scale(moments: np.ndarray) -> np.ndarray:
    """Give powers of two near 1/√H_jj; 1 for columns that never vary."""
    diagonal = np.diagonal(moments)
    least = -ROUNDED * float(np.abs(moments).max(initial=0.0))
    if (diagonal < least).any():
        raise InvalidProblem(
            f"moments is not positive semidefinite: its diagonal has entries down to "
            f"{diagonal.min():g}"
        )
    varies = np.where(diagonal > 0, diagonal, 1.0)
    return np.exp2(-np.round(0.5 * np.log2(varies)))


def _settle_idle_columns(H: np.ndarray, G: np.ndarray) -> None:
    """Give columns of no variance the unit vector; nothing may depend on them."""
    idle = np.diagonal(H) <= 0
    if not idle.any():
        return
    if np.abs(H[idle]).max() > ROUNDED * float(np.abs(H).max()):
        raise InvalidProblem(
            "moments is not positive semidefinite: a column of no variance has "
            "covariances"
        )
    if np.abs(G[idle]).max(initial=0.0) > STICKING_OUT * float(
        np.abs(G).max(initial=0.0)
    ):
        raise InvalidProblem(
            "cross is not in the range of moments: a column of no variance has cross "
            "moments, so there is no minimum; add a ridge to moments"
        )
    H[idle], H[:, idle], G[idle] = 0.0, 0.0, 0.0
    H[idle, idle] = 1.0


def _is_definite(H: np.ndarray, shift: float) -> bool:
    shifted = H.copy()
    shifted[np.diag_indices(len(H))] += shift
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return True


def _least_ridge(H: np.ndarray, tau: float) -> float:
    for ridge in (tau, max(tau, ROUNDED)):
        if _is_definite(H, ridge):
            return ridge
    raise InvalidProblem(
        f"moments is not positive semidefinite, nor is it with {ROUNDED:g} of its "
        f"diagonal added; give second moments, or add a ridge"
    )


def _minimiser(H: np.ndarray, G: np.ndarray, shift: float) -> np.ndarray:
    """Solve HV = G by a ridged factor and refinements, as far as G allows."""
    ridged = H + shift * np.eye(len(H))
    V = np.linalg.solve(ridged, G)
    for _ in range(_REFINEMENTS):
        V += np.linalg.solve(ridged, G - H @ V)
    outside = float(np.linalg.norm(G - H @ V))
    if outside > STICKING_OUT * float(np.linalg.norm(G)):
        raise InvalidProblem(
            f"cross is not in the range of moments: a part of norm {outside:.3g} lies "
            f"outside, so there is no minimum; add a ridge to moments"
        )
    return V


def _compressed(C: np.ndarray) -> np.ndarray:
    """Give a (d, d) matrix of the same CCᵀ where there are more outputs."""
    d, r = C.shape
    if r == 0:
        return np.zeros((d, 1))
    return C if r <= d else np.asarray(np.linalg.qr(C.T, mode="r")).T.copy()
