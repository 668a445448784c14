"""The weights M of the outputs: checked, and their root."""

from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import SYMMETRY_TOLERANCE, real_array, symmetric_matrix


def checked_weights(weights: Any, n_out: int) -> np.ndarray | None:
    """Give M as (n_out,) or (n_out, n_out), non-negative or positive semidefinite."""
    if weights is None:
        return None
    if np.ndim(weights) == 1:
        return _non_negative(real_array("weights", weights, (n_out,)))
    matrix = symmetric_matrix("weights", weights)
    if matrix.shape[0] != n_out:
        raise InvalidProblem(
            f"weights has shape {matrix.shape}; expected ({n_out},) or "
            f"({n_out}, {n_out})"
        )
    least = float(np.linalg.eigvalsh(matrix).min(initial=0.0))
    if least < -SYMMETRY_TOLERANCE * float(np.abs(matrix).max(initial=0.0)):
        raise InvalidProblem(
            f"weights is not positive semidefinite: its least eigenvalue is {least:.3g}"
        )
    return matrix


def _non_negative(diagonal: np.ndarray) -> np.ndarray:
    if (diagonal < 0).any():
        raise InvalidProblem(
            f"weights has entries down to {diagonal.min():g}; expected >= 0"
        )
    return diagonal


def through_root(G: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Give G·R, (d, r), with RRᵀ = M, without the directions that M does not see.

    Those are eigenvalues below n_out·2.2e-16 of the largest: the rounding of M.
    """
    if weights is None:
        return G
    if weights.ndim == 1:
        return G[:, weights > 0] * np.sqrt(weights[weights > 0])
    values, vectors = np.linalg.eigh(weights)
    rounding = np.finfo(np.float64).eps * len(values) * values.max(initial=0.0)
    seen = values > rounding
    return G @ (vectors[:, seen] * np.sqrt(values[seen]))


def weighted_trace(second: np.ndarray, weights: np.ndarray | None) -> float:
    """Give tr(M·second) for a matrix (n_out, n_out)."""
    if weights is None:
        return float(np.trace(second))
    if weights.ndim == 1:
        return float(weights @ np.diagonal(second))
    return float((weights * second).sum())
