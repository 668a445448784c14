"""Every point of a tiny network: the oracle of the tests."""

import math
from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.linalg.rounding import gamma
from ccsolve.problems import NetworkSelection
from ccsolve.problems.network_points import feasible_point
from ccsolve.solution import Solution

CHUNK = 2**14
"""Points scored in one step."""


def solve(problem: NetworkSelection, limits: Limits) -> Solution:
    """Score every point within the budgets; at the end the best is proven optimal.

    Points are scored 16,384 at a time by matrix products, O(n²) each; widths decide
    which of them are within the budgets. Until the last is scored there is no bound
    but that of the least entries; then it is the optimum less the rounding of the
    sums. Takes n ≤ 24.
    """
    return run(_steps(problem), limits)


def _steps(problem: NetworkSelection) -> Iterator[Step]:
    Q, error = problem.form.dense(), scoring_error(problem)
    z = feasible_point(problem)
    value, floor = problem.objective(z), math.inf
    yield Step(z, value, _least(problem, Q) - error)
    for start in range(0, 2**problem.n, CHUNK):
        points = _within(problem, _points(problem.n, start))
        if not len(points):
            yield Step()
            continue
        scores = ((points @ Q) * points).sum(axis=1) + points @ problem.q
        best = int(scores.argmin())
        floor = min(floor, float(scores[best]))
        z = points[best] > 0.5
        yield Step(z, problem.objective(z))
    yield Step(bound=floor + problem.constant - error)


def scoring_error(problem: NetworkSelection) -> float:
    """Bound the rounding of any objective: γ·(Σ|Q| + Σ|q| + |constant|), twice."""
    form = problem.form
    parts = [form.Q, form.diagonal, *(form.blocks or ())]
    size = sum(float(np.abs(part).sum()) for part in parts if part is not None)
    rank = 0
    if form.factor is not None:
        sums, rank = np.abs(form.factor).sum(axis=1), len(form.factor)
        size += float(sums @ sums)
    size += float(np.abs(problem.q).sum()) + abs(problem.constant)
    return 2.0 * gamma(2 * (problem.n + rank) + 8) * size


def _least(problem: NetworkSelection, Q: np.ndarray) -> float:
    """Give a bound from the least entries alone."""
    negative = float(np.minimum(Q, 0).sum() + np.minimum(problem.q, 0).sum())
    return negative + problem.constant


def _points(n: int, start: int) -> np.ndarray:
    numbers = np.arange(start, min(start + CHUNK, 2**n))
    return ((numbers[:, None] >> np.arange(n)) & 1).astype(np.float64)


def _within(problem: NetworkSelection, points: np.ndarray) -> np.ndarray:
    """Give the points that keep the fixings, the widths and the budgets."""
    if problem.fixed is not None:
        held = problem.fixed >= 0
        points = points[(points[:, held] == problem.fixed[held]).all(axis=1)]
    joined = np.zeros((problem.n, problem.count))
    joined[np.arange(problem.n), problem.groups] = 1.0
    k = np.rint(points @ joined).astype(np.int64)
    distinct, which = np.unique(k, axis=0, return_inverse=True)
    allowed = np.array([_is_allowed(problem, row) for row in distinct], dtype=bool)
    return points[allowed[which.ravel()]]


def _is_allowed(problem: NetworkSelection, k: np.ndarray) -> bool:
    listed = all(
        width in allowed for width, allowed in zip(k, problem.widths, strict=True)
    )
    return listed and problem.fits(k)
