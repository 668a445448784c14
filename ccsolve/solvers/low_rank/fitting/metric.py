"""Alternating least squares in the norm of any covariance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccsolve.linalg.orthonormal import orthonormal
from ccsolve.problems import LowRankFit
from ccsolve.problems.tensor_formats import Modes
from ccsolve.solvers.low_rank.fitting.linear_parts import LinearPart, linear_part
from ccsolve.solvers.low_rank.projecting.chains import centred, centred_left
from ccsolve.solvers.low_rank.projecting.tucker import along

STEPS = 12
"""Conjugate gradients at most for each factor; the next sweep goes on from there."""

ENOUGH = 1e-4
"""Of the gradient's norm, at which a factor is left."""


@dataclass(frozen=True, eq=False)
class Metric:
    """A covariance as an operator on tensors, and T seen by it, in float64.

    ``seen`` is T·C.
    """

    blocks: tuple[tuple[int, np.ndarray], ...]
    modes: Modes
    seen: np.ndarray

    def applied(self, D: np.ndarray) -> np.ndarray:
        """Give D·C; O(NΣp)."""
        return _applied(self.blocks, self.modes, D)


def metric_of(problem: LowRankFit) -> Metric:
    """Give the metric of a fit."""
    blocks = tuple((block.start, block.matrix) for block in problem.blocks)
    T = problem.tensor.astype(np.float64)
    return Metric(blocks, problem.modes, _applied(blocks, problem.modes, T))


def _applied(
    blocks: tuple[tuple[int, np.ndarray], ...], modes: Modes, D: np.ndarray
) -> np.ndarray:
    for start, matrix in blocks:
        D = matrix @ D.reshape(math.prod(modes[:start]), len(matrix), -1)
    return D.reshape(modes)


def metric_sweep(
    problem: LowRankFit, metric: Metric, factors: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Give factors after each was fitted anew, the others held.

    Each solves its normal equations A*(C·Ax) = A*(C·T), Z = Ax, by conjugate gradients
    from where it is, so that ‖(T - Z)C^½‖ never rises; C may be singular. A train's
    other cores are orthonormal meanwhile. Each step costs 4Nr + NΣp.
    """
    found = [factor.astype(np.float64) for factor in factors]
    if problem.format == "tt":
        found = centred_left(found, len(found) - 1, 0)
    for k in range(len(found)):
        if problem.format == "tt" and k:
            found = centred(found, k - 1, k)
        if problem.format == "tucker" and k:
            _made_orthonormal(found, k)
        part = linear_part(problem.format, found, problem.modes, k)
        found[k] = _fitted(part, metric, found[k])
    return found


def _made_orthonormal(factors: list[np.ndarray], k: int) -> None:
    """Make the columns of the other bases orthonormal, the core taking the rest."""
    for other in range(1, len(factors)):
        if other != k:
            Q = orthonormal(factors[other])
            factors[0] = along(factors[0], Q.T @ factors[other], other - 1)
            factors[other] = Q


def _fitted(part: LinearPart, metric: Metric, x: np.ndarray) -> np.ndarray:
    """Give the factor after conjugate gradients on its normal equations."""
    residual = part.adjoint(metric.seen - metric.applied(part.forward(x)))
    direction, square = residual, float(np.vdot(residual, residual))
    enough = ENOUGH**2 * square
    for _ in range(STEPS):
        curved = part.adjoint(metric.applied(part.forward(direction)))
        curvature = float(np.vdot(direction, curved))
        if square <= enough or curvature <= 0.0:
            break
        step = square / curvature
        x = x + step * direction
        residual = residual - step * curved
        square, last = float(np.vdot(residual, residual)), square
        direction = residual + (square / last) * direction
    return x
