"""What is compared: methods of ccsolve, and tabu search on a penalised QUBO.

A competitor gives a point and when it was found. Peers come with the extra `peers`.
"""

import importlib
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import ccsolve
from ccsolve.problems.sampling import feasible_point

QUANTUM = 0.25
"""Seconds below which dwave-samplers' tabu does not look at its clock."""


class Found(NamedTuple):
    """A point, seconds until it was found (at most), seconds in all."""

    z: np.ndarray
    to_best: float
    seconds: float


Competitor = Callable[[ccsolve.ChannelSelection, float, int], Found]


def ours(method: str) -> Competitor:
    """Give a method of ccsolve."""

    def run(problem: ccsolve.ChannelSelection, seconds: float, seed: int) -> Found:
        solution = ccsolve.solve(problem, method, time_limit=seconds, seed=seed)
        best = min(point.objective for point in solution.trace)
        to_best = next(p.seconds for p in solution.trace if p.objective == best)
        return Found(solution.x, to_best, solution.seconds)

    return run


def dwave_tabu(weight: float) -> Competitor:
    """Give dwave-samplers' tabu search on the QUBO with the cardinality as a penalty.

    The penalty is weight·λ·(1ᵀz - keep)², λ the largest change that a flip makes to the
    objective at the separable choice; a point of another cardinality is repaired by
    greedy flips. It uses its time to the end and does not say when it found its best.
    """
    try:
        sampler: Any = importlib.import_module("dwave.samplers").TabuSampler()
        dimod: Any = importlib.import_module("dimod")
    except ImportError:
        raise SystemExit(
            "dwave-samplers is not installed; run: pip install 'ccsolve[peers]'"
        ) from None

    def run(problem: ccsolve.ChannelSelection, seconds: float, seed: int) -> Found:
        model = dimod.BinaryQuadraticModel.from_qubo(
            _entries(_penalised(problem, weight))
        )
        start = time.perf_counter()
        sample = sampler.sample(
            model, timeout=math.ceil(1000 * seconds), num_reads=1, seed=seed
        ).first.sample
        z = _repaired(problem, np.array([sample[i] for i in range(problem.n)]))
        spent = time.perf_counter() - start
        return Found(z, spent, spent)

    return run


def _penalised(problem: ccsolve.ChannelSelection, weight: float) -> np.ndarray:
    """Give the matrix of the QUBO; constants are left out."""
    matrix = problem.dense() + np.diag(problem.q)
    if problem.keep is None:
        return matrix
    z = feasible_point(problem).astype(float)
    change = 2.0 * problem.multiply(z) + problem.q
    penalty = weight * float(np.abs(change).max())
    return matrix + penalty * (1.0 - 2.0 * problem.keep * np.eye(problem.n))


def _entries(matrix: np.ndarray) -> dict[tuple[int, int], float]:
    rows, columns = np.triu_indices(len(matrix))
    values = np.where(rows == columns, 1.0, 2.0) * matrix[rows, columns]
    return {
        (int(i), int(j)): float(value)
        for i, j, value in zip(rows, columns, values, strict=True)
    }


def _repaired(problem: ccsolve.ChannelSelection, z: np.ndarray) -> np.ndarray:
    """Flip the cheapest channels until the cardinality holds."""
    z = z.astype(bool)
    while problem.keep is not None and z.sum() != problem.keep:
        gradient = 2.0 * problem.multiply(z.astype(float)) + problem.q
        drop = z.sum() > problem.keep
        change = problem.diagonal_of_Q() + np.where(z, -gradient, gradient)
        k = int(np.where(z == drop, change, np.inf).argmin())
        z[k] = not z[k]
    return z
