"""Matrices of unit rows with a given sum: the manifold, its tangents, its multipliers.

The sum, where there is one, is ``total`` times the first unit vector; without it
(``total`` None) the manifold is a product of spheres.
"""

import math
from typing import NamedTuple

import numpy as np

NEWTON_STEPS = 30
"""Rounds after which a sum is taken to be out of reach."""

ROUNDING = 1e-13
"""What a sum may lack, per row."""


class Multipliers(NamedTuple):
    """λ (n,) and w (r,) with G ≈ Diag(λ)U + 1wᵀ, by least squares."""

    rows: np.ndarray
    common: np.ndarray


def random_rows(
    n: int, rank: int, total: float | None, rng: np.random.Generator
) -> np.ndarray:
    """Give a random point, (n, rank), n ≥ 2 and rank ≥ 3 where there is a total.

    The sum is exact by making: rows of equal height along the first unit vector, whose
    other parts point opposite ways in pairs, and three ways at 120° where n is odd.
    """
    if total is None:
        U = rng.standard_normal((n, rank))
        return U / np.linalg.norm(U, axis=1)[:, None]
    height = total / n
    rest = rng.standard_normal((n, rank - 1))
    pairs = (n - 3) // 2 if n % 2 else n // 2
    rest[pairs : 2 * pairs] = -rest[:pairs]
    rest /= np.linalg.norm(rest, axis=1)[:, None]
    if n % 2:
        first, second = np.linalg.qr(rest[-3:-1].T)[0].T
        across = math.sqrt(0.75) * second
        rest[-3:] = first, across - 0.5 * first, -across - 0.5 * first
    return np.column_stack((np.full(n, height), math.sqrt(1.0 - height**2) * rest))


def onto_manifold(U: np.ndarray, total: float | None) -> np.ndarray | None:
    """Give a point of the manifold near U, (n, r); None where there is none near.

    Rows are normalised, then moved together by w with (nI - UᵀU)w = what the sum lacks
    and normalised again: Newton's method, two or three rounds of O(nr²) as a rule.
    """
    near = _normalised(U)
    for _ in range(NEWTON_STEPS):
        if near is None or total is None:
            return near
        lacking = -near.sum(axis=0)
        lacking[0] += total
        missed = float(np.abs(lacking).max())
        if missed <= ROUNDING * near.shape[0]:
            return near
        near = _normalised(near + _solved(near, lacking))
    return None


def multipliers(U: np.ndarray, G: np.ndarray, total: float | None) -> Multipliers:
    """Give λ and w that leave of G its tangent part G - Diag(λ)U - 1wᵀ; O(nr²)."""
    rows = np.einsum("ij,ij->i", U, G)
    if total is None:
        return Multipliers(rows, np.zeros(U.shape[1]))
    common = _solved(U, G.sum(axis=0) - rows @ U)
    return Multipliers(rows - U @ common, common)


def tangent_part(U: np.ndarray, G: np.ndarray, total: float | None) -> np.ndarray:
    """Give the orthogonal projection of G (n, r) onto the tangent space at U."""
    rows, common = multipliers(U, G, total)
    return G - rows[:, None] * U - common


def _normalised(U: np.ndarray) -> np.ndarray | None:
    lengths = np.sqrt(np.einsum("ij,ij->i", U, U))
    if not (lengths > 0).all():
        return None
    return U / lengths[:, None]


def _solved(U: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve (nI - UᵀU)w = right, which is singular where all rows are ± one vector."""
    n, r = U.shape
    matrix = -(U.T @ U)
    matrix[np.diag_indices(r)] += n * (1.0 + 1e-14)
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=1e-12)[0]
