"""Matrices along the modes of a tensor: changes of variables that keep all ranks.

A matrix along every mode maps the tensors of bounded svd, Tucker, tensor-train and
ring ranks onto themselves if it has an inverse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Modewise:
    """One invertible matrix per mode, or None for the identity, and their inverses."""

    matrices: tuple[Array | None, ...]
    inverses: tuple[Array | None, ...]

    def of(self, tensor: Array) -> Array:
        """Give the tensor with the matrices along its modes."""
        return along(self.matrices, tensor)

    def back(self, tensor: Array) -> Array:
        """Give the tensor whose image this is."""
        return along(self.inverses, tensor)

    def back_factors(self, format: str, factors: Sequence[Array]) -> list[Array]:
        """Give the factors of the tensor whose image has these."""
        parts = list(factors)
        # Behind Tucker's core stands one matrix per mode, its mode first; elsewhere a
        # factor per mode, its mode in the middle but for the two matrices of "svd".
        axes = {"svd": (0, 1), "tucker": (0,) * len(self.inverses)}
        first = int(format == "tucker")
        for mode, matrix in enumerate(self.inverses):
            if matrix is not None:
                axis = axes.get(format, (1,) * len(self.inverses))[mode]
                parts[first + mode] = _multiplied(matrix, parts[first + mode], axis)
        return parts


def along(matrices: Sequence[Array | None], tensor: Array) -> Array:
    """Give the tensor with a matrix along each mode; None leaves a mode alone."""
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            tensor = _multiplied(matrix, tensor, axis)
    return tensor


def rooted(parts: Sequence[Array | None], floor: float) -> Modewise:
    """Give roots of positive semidefinite matrices, S with SᵀS = C, and S⁻¹.

    A vector stands for a diagonal matrix. Eigenvalues below `floor` times the largest
    are raised to that, so that there is an inverse.
    """
    pairs = [(None, None) if part is None else _root(part, floor) for part in parts]
    return Modewise(tuple(s for s, _ in pairs), tuple(t for _, t in pairs))


def _root(part: Array, floor: float) -> tuple[Array, Array]:
    if part.ndim == 1:
        values, vectors = part, np.eye(len(part))
    else:
        values, vectors = eigh(part)
    roots = np.sqrt(np.maximum(values, floor * max(float(values.max()), 0.0)))
    if not roots.any():
        roots = np.ones_like(roots)
    return roots[:, None] * vectors.T, vectors / roots


def _multiplied(matrix: Array, tensor: Array, axis: int) -> Array:
    moved = np.tensordot(matrix, tensor, (1, axis))
    return np.ascontiguousarray(np.moveaxis(moved, 0, axis))
