"""The two forms of a quadratic objective, dense and factored, checked."""

import math
from typing import Any, NamedTuple

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import LARGEST, frozen, real_array, symmetric_matrix

# Read-only like all that stands beside them, so that kernels are compiled once.
NO_MATRIX = frozen(np.empty((0, 0)))
NO_VECTOR = frozen(np.empty(0))


class QuadraticArrays(NamedTuple):
    """The quadratic form as kernels take it; what is absent has size zero.

    Dense: ``Q`` (n, n). Factored: ``points`` (n, m), row i = column i of the factor,
    and ``diagonal`` (n,): Q = points·pointsᵀ + diag(diagonal). ``q`` (n,) always.
    """

    Q: np.ndarray
    points: np.ndarray
    diagonal: np.ndarray
    q: np.ndarray


def quadratic_form(
    Q: Any, factor: Any, diagonal: Any
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None, int]:
    """Give Q, factor, diagonal and n from what a user gives of the three."""
    if (Q is None) == (factor is None):
        raise InvalidProblem("give either Q or factor, exactly one of them")
    if Q is not None:
        if diagonal is not None:
            raise InvalidProblem("diagonal belongs to factor; add it to Q instead")
        matrix = symmetric_matrix("Q", Q)
        return matrix, None, None, matrix.shape[0]
    F, d = factor_form(factor, diagonal)
    return None, F, d, F.shape[1]


def factor_form(factor: Any, diagonal: Any) -> tuple[np.ndarray, np.ndarray]:
    """Give (factor, diagonal); the factor's columns lie contiguous in memory."""
    # The root, for Q holds the products of the factor's entries.
    entries = real_array("factor", factor, (None, None), math.sqrt(LARGEST))
    F = frozen(np.asfortranarray(entries))
    n = F.shape[1]
    if diagonal is None:
        return F, frozen(np.zeros(n))
    return F, real_array("diagonal", diagonal, (n,))
