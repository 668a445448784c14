"""The nearest semidefinite matrix of a given trace, its eigenvectors followed."""

from typing import NamedTuple

import numpy as np

from ccsolve.solvers.selection.relaxing.duals import decomposed

FOLLOWED_FROM = 100
"""Rows from which on it pays to follow eigenvectors."""

WIDEST = 0.35
"""Part of the dimension up to which it pays: half of what is decomposed then."""

SPARE = 8
"""Vectors followed beyond those that are in use, and a third of these again."""


class Projection(NamedTuple):
    """P (N, N), and the leading eigenvectors (N, m) to go on from; None: too many."""

    P: np.ndarray
    leading: np.ndarray | None


def projected(
    V: np.ndarray, total: float, is_exact: bool, leading: np.ndarray | None
) -> Projection:
    """Give the P ⪰ 0 nearest to V with tr P = total, or ≤ total; O(N³) or O(N²m).

    With V = Σλ_i u_i u_iᵀ, P = Σ max(λ_i - θ, 0) u_i u_iᵀ. Its rank is small as a rule,
    and from one step of an alternating method to the next its range hardly turns: with
    the ``leading`` vectors U of the last step, V is decomposed within the span of
    [U, VU] alone, one step of block Krylov iteration (Rontsis, Goulart and Nakatsukasa,
    J. Optim. Theory Appl. 192, 2022). That P is inexact, which costs steps at most:
    bounds do not rest on it. A new direction orthogonal to the span is not found, so
    that now and then ``leading`` must be None.
    """
    if leading is None:
        values, vectors = decomposed(V)
    else:
        span = np.linalg.qr(np.hstack([leading, _unit_columns(V @ leading)]))[0]
        values, inner = decomposed(np.asfortranarray(span.T @ (V @ span)))
        vectors = span @ inner
    shift = simplex_shift(values, total)
    shift = shift if is_exact else max(shift, 0.0)
    rank = int((values > shift).sum())
    used = vectors[:, values.size - rank :]
    scaled = used * np.sqrt(values[values.size - rank :] - shift)
    return Projection(scaled @ scaled.T, _followed(vectors, rank))


def _unit_columns(W: np.ndarray) -> np.ndarray:
    return W / np.maximum(np.linalg.norm(W, axis=0), 1e-300)


def _followed(vectors: np.ndarray, rank: int) -> np.ndarray | None:
    """Give the vectors to follow; None where they are too many, or all of the span."""
    N, found = vectors.shape
    wanted = rank + SPARE + rank // 3
    if N < FOLLOWED_FROM or wanted > WIDEST * N or rank > 0.9 * found:
        return None
    return vectors[:, max(0, found - wanted) :]


def simplex_shift(values: np.ndarray, total: float) -> float:
    """Give θ with Σ max(values - θ, 0) = total, for ascending values; O(n)."""
    sums = np.cumsum(values[::-1])
    shifts = (sums - total) / np.arange(1, values.size + 1)
    # θ is the last shift that is below the value which it was made with.
    held = np.flatnonzero(values[::-1] > shifts)
    return float(shifts[held[-1]]) if held.size else float(values[-1])
