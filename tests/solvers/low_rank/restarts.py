"""The best of many restarts of plain alternating least squares, factor by factor."""

import numpy as np

from ccsolve import LowRankFit
from ccsolve.problems.tensor_formats import Ranks, dense, factor_shapes


def best_of_restarts(
    problem: LowRankFit, ranks: Ranks, starts: int = 6, sweeps: int = 30
) -> float:
    """Give the least ½‖(T - Z)C^½‖² found; each factor by one dense least squares.

    It shares no code with the methods: Z's columns in a factor are found by putting in
    unit factors.
    """
    root = covariance_root(problem)
    target = root.T @ problem.tensor.astype(np.float64).ravel()
    shapes = factor_shapes(problem.format, problem.modes, ranks)
    best = np.inf
    for seed in range(starts):
        rng = np.random.default_rng(seed)
        x = [rng.standard_normal(shape) for shape in shapes]
        for _ in range(sweeps):
            for k in range(len(x)):
                x[k] = _best_factor(problem, root, target, x, k)
        rest = root.T @ dense(problem.format, x, problem.modes).ravel() - target
        best = min(best, 0.5 * float(rest @ rest))
    return best


def covariance_root(problem: LowRankFit) -> np.ndarray:
    """Give R (N, ...) with RRᵀ all of C."""
    root, at = np.ones((1, 1)), 0
    for block in problem.blocks:
        free = np.eye(int(np.prod(problem.modes[at : block.start])))
        root, at = np.kron(np.kron(root, free), block.root), block.stop
    return np.kron(root, np.eye(int(np.prod(problem.modes[at:]))))


def _best_factor(problem, root, target, x, k) -> np.ndarray:
    shape, columns = x[k].shape, []
    for unit in np.eye(x[k].size):
        parts = [*x[:k], unit.reshape(shape), *x[k + 1 :]]
        columns.append(root.T @ dense(problem.format, parts, problem.modes).ravel())
    return np.linalg.lstsq(np.stack(columns, 1), target)[0].reshape(shape)
