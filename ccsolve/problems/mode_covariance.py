"""The norm of a low-rank fit: covariances of runs of modes, with their roots."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import (
    SYMMETRY_TOLERANCE,
    frozen,
    real_array,
    symmetric_matrix,
)

SMALLEST_COVARIANCE, LARGEST_COVARIANCE = 1e-60, 1e60
"""What the largest entry may be, unless all are zero: norms stay in range."""


@dataclass(frozen=True, eq=False)
class ModeBlock:
    """A positive semidefinite matrix that acts on the modes start, ..., stop - 1.

    Attributes
    ----------
    root : (p, q) with root·rootᵀ = matrix, p the product of the modes, q its rank where
        the matrix is singular. The norm is defined by it: ‖D·root‖.
    """

    start: int
    stop: int
    root: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """The covariance itself, (p, p)."""
        return self.root @ self.root.T


Covariance = np.ndarray | tuple[np.ndarray | None, ...] | None


def checked_covariance(covariance: Any, modes: tuple[int, ...]) -> Covariance:
    """Give the covariance with read-only matrices.

    One matrix (p, p) acts on the trailing modes whose product is p; a list has one
    matrix or None for each mode, the covariance being their Kronecker product.

    Raises
    ------
    InvalidProblem
        For NaN, asymmetric matrices, and sizes that do not fit the modes.
    """
    if covariance is None:
        return None
    if not isinstance(covariance, list | tuple):
        matrix = _checked("covariance", covariance)
        _trailing(len(matrix), modes)
        return matrix
    if len(covariance) != len(modes):
        raise InvalidProblem(
            f"covariance is a list of {len(covariance)}; expected one matrix or None "
            f"for each of the modes {modes}, or one array for the trailing modes"
        )
    return tuple(
        None if value is None else _of_mode(f"covariance[{k}]", value, modes[k])
        for k, value in enumerate(covariance)
    )


def mode_blocks(
    covariance: Covariance, modes: tuple[int, ...]
) -> tuple[ModeBlock, ...]:
    """Give the blocks of a checked covariance, in order of their modes.

    Raises
    ------
    InvalidProblem
        For a matrix that is not positive semidefinite.
    """
    if covariance is None:
        return ()
    if isinstance(covariance, tuple):
        return tuple(
            ModeBlock(k, k + 1, _root(f"covariance[{k}]", matrix))
            for k, matrix in enumerate(covariance)
            if matrix is not None
        )
    start = _trailing(len(covariance), modes)
    return (ModeBlock(start, len(modes), _root("covariance", covariance)),)


def _of_mode(name: str, value: Any, mode: int) -> np.ndarray:
    matrix = _checked(name, value)
    if len(matrix) != mode:
        raise InvalidProblem(
            f"{name} has shape {matrix.shape}; expected ({mode}, {mode}), the size of "
            "its mode"
        )
    return matrix


def _checked(name: str, values: Any) -> np.ndarray:
    array = real_array(name, values, (None, None), LARGEST_COVARIANCE)
    largest = float(np.abs(array).max(initial=0.0))
    if 0.0 < largest < SMALLEST_COVARIANCE:
        raise InvalidProblem(
            f"{name} has a largest entry of {largest:g} in size; expected at least "
            f"{SMALLEST_COVARIANCE:g}, or all zeros; rescale it"
        )
    return symmetric_matrix(name, values)


def _trailing(size: int, modes: tuple[int, ...]) -> int:
    """Give the first of the trailing modes whose product is the size."""
    for start in reversed(range(len(modes))):
        if math.prod(modes[start:]) == size:
            return start
    known = ", ".join(str(math.prod(modes[k:])) for k in reversed(range(len(modes))))
    raise InvalidProblem(
        f"covariance has shape ({size}, {size}); expected the product of trailing "
        f"modes of {modes}: one of {known}"
    )


def _root(name: str, matrix: np.ndarray) -> np.ndarray:
    """Give the Cholesky factor, or without one V·Λ^½ over what is not rounding."""
    try:
        return frozen(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrix)
    largest = float(np.abs(values).max())
    if values[0] < -SYMMETRY_TOLERANCE * largest:
        raise InvalidProblem(
            f"{name} is not positive semidefinite: its least eigenvalue is "
            f"{values[0]:.3g}; give E[xxᵀ] or another matrix of that kind"
        )
    seen = values > np.finfo(np.float64).eps * len(values) * largest
    return frozen(vectors[:, seen] * np.sqrt(values[seen]))


def whitened(
    values: np.ndarray, modes: tuple[int, ...], blocks: Sequence[ModeBlock]
) -> np.ndarray:
    """Give D·C^½ with one axis of its root's columns in place of a block's modes.

    Parameters
    ----------
    values : array of any shape, the entries of D in row-major order.
    modes : all of D's modes.
    """
    shape = list(modes)
    for block in reversed(blocks):
        p, q = block.root.shape
        lead = math.prod(shape[: block.start])
        parts = values.reshape(lead, p, -1)
        # A product of matrices is quicker than many of them.
        if parts.shape[2] == 1:
            values = parts.reshape(lead, p) @ block.root
        else:
            values = block.root.T @ parts
        shape[block.start : block.stop] = [q]
    return values.reshape(shape)
