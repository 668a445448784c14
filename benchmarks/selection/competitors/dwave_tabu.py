"""Tabu search of dwave-samplers, on the QUBO with the cardinality as a penalty."""

import importlib
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import ccsolve
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms
from ccsolve.problems.sampling import feasible_point

LADDER = 0.02
"""Seconds of the first run where the way matters; each next one has twice as much."""


def run(problem: ccsolve.ChannelSelection, terms: Terms, *, weight: float) -> Answer:
    """Sample once for the full time, or up to the target.

    The penalty is weight·λ·(1ᵀz - keep)², λ the largest change that a flip makes to the
    objective at the separable choice; a point of another cardinality is repaired by
    greedy flips. The sampler ends at once at the energy of the target; a point of that
    energy that is not feasible costs it nothing but the time, it goes on with the next
    seed. It does not say when it found its best: where the way matters it runs anew
    from the same seed with 0.02 s, 0.04 s, ... up to its full time, and each of these
    points counts at the seconds of its own run.
    """
    if problem.cost is not None:
        raise DoesNotFit("a budget: a QUBO sampler knows none")
    sampler: Any = importlib.import_module("dwave.samplers").TabuSampler()
    dimod: Any = importlib.import_module("dimod")
    matrix, shift = _penalised(problem, weight)
    model = dimod.BinaryQuadraticModel(_upper(matrix), "BINARY")

    def sample(seconds: float, seed: int) -> tuple[float, np.ndarray]:
        start = time.perf_counter()
        found = sampler.sample(
            model,
            timeout=math.ceil(1000 * seconds),
            num_reads=1,
            seed=seed,
            energy_threshold=_threshold(terms.target, shift),
        ).first.sample
        z = np.array([found[i] for i in range(problem.n)], dtype=bool)
        return time.perf_counter() - start, _repaired(problem, z)

    if terms.target is not None:
        return _to_target(problem, terms, sample)
    rungs = list(_rungs(terms.seconds)) if terms.curve else [terms.seconds]
    points = [sample(seconds, terms.seed) for seconds in rungs]
    return Answer(points, seconds=points[-1][0], stop="time limit")


def _to_target(problem: ccsolve.ChannelSelection, terms: Terms, sample: Any) -> Answer:
    points: list[tuple[float, np.ndarray]] = []
    spent, seed = 0.0, terms.seed
    assert terms.target is not None
    while terms.seconds - spent > 1e-3:
        seconds, z = sample(terms.seconds - spent, seed)
        spent += seconds
        points.append((spent, z))
        if problem.objective(z) <= terms.target:
            return Answer(points, seconds=spent, stop="target")
        seed += 1_000_003
    return Answer(points, seconds=spent, stop="time limit")


def _rungs(seconds: float) -> Iterator[float]:
    rung = LADDER
    while rung < seconds:
        yield rung
        rung *= 2
    yield seconds


def _threshold(target: float | None, shift: float) -> float | None:
    return None if target is None else target - shift


def _penalised(
    problem: ccsolve.ChannelSelection, weight: float
) -> tuple[np.ndarray, float]:
    """Give the matrix of the QUBO, and what it leaves out of the objective."""
    matrix = problem.dense() + np.diag(problem.q)
    if problem.keep is None:
        return matrix, problem.constant
    z = feasible_point(problem).astype(float)
    change = 2.0 * problem.multiply(z) + problem.q
    penalty = weight * float(np.abs(change).max())
    square = penalty * (1.0 - 2.0 * problem.keep * np.eye(problem.n))
    return matrix + square, problem.constant + penalty * problem.keep**2


def _upper(matrix: np.ndarray) -> np.ndarray:
    """Give the same quadratic form with zeros below the diagonal."""
    return 2.0 * np.triu(matrix, 1) + np.diag(np.diag(matrix))


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
