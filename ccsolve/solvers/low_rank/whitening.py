"""Fits in a norm as fits without: the tensor whitened mode by mode, and the way back.

With C = ⊗ C_k and C_k = R_k·R_kᵀ, (m_k, q_k), ‖(T - Z)C^½‖ = ‖T̃ - Z̃‖ where T̃ and Z̃
have the modes multiplied by R_kᵀ. Multiplying a mode raises no rank, and Z is had again
from Z̃ by the pseudo-inverses: what C_k does not see is zero in it.
"""

import numpy as np

from ccsolve.errors import Unsupported
from ccsolve.problems import LowRankFit
from ccsolve.problems.mode_covariance import whitened


def is_modewise(problem: LowRankFit) -> bool:
    """Say whether every covariance acts on a single mode."""
    return all(block.stop - block.start == 1 for block in problem.blocks)


def whitened_tensor(problem: LowRankFit) -> np.ndarray:
    """Give T̃, with q_k in place of m_k; in float64 where there is a covariance."""
    if not is_modewise(problem):
        raise Unsupported("a covariance of several modes does not whiten factors")
    if not problem.blocks:
        return problem.tensor
    values = problem.tensor.astype(np.float64)
    return whitened(values, problem.modes, problem.blocks)


def unwhitened(problem: LowRankFit, factors: list[np.ndarray]) -> list[np.ndarray]:
    """Give the factors of Z from those of Z̃, in the tensor's type."""
    found = list(factors)
    for block in problem.blocks:
        # (q, m): its transpose takes a mode of q back to one of m.
        inverse = np.linalg.pinv(block.root)
        at, axis = _place(problem.format, block.start)
        moved = np.tensordot(found[at], inverse, (axis, 0))
        found[at] = np.moveaxis(moved, -1, axis)
    dtype = problem.tensor.dtype
    return [np.ascontiguousarray(factor, dtype=dtype) for factor in found]


def _place(format: str, mode: int) -> tuple[int, int]:
    """Give the factor that holds a mode, and the axis."""
    if format == "svd":
        return mode, mode
    return (mode + 1, 0) if format == "tucker" else (mode, 1)
