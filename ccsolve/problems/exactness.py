"""What rounding can hide in an objective: proven floors of computed values."""

import math
from collections.abc import Iterator

import numpy as np

from ccsolve.linalg.rounding import TINY, gamma
from ccsolve.problems.selection import ChannelSelection

_EXACT = 2.0**50
"""Sums of multiples of ½ below this are exact, with room for a factor of 2."""


def objective_floor(problem: ChannelSelection, z: np.ndarray) -> float:
    """Give a proven lower bound of the objective at a binary point z (n,).

    Dense: the exact sum rounded down, O(n²) with Python's ``fsum``, 0.1 s at n = 1,000.
    Factored: the computed value less γ_{2(m+n)}·(‖|F|z‖² + |diagonal + q|ᵀz +
    |constant|) and exact where `sums_are_exact`, O(mn).
    """
    kept = np.flatnonzero(z)
    if problem.Q is None:
        value = problem.objective(z)
        error = 0.0 if sums_are_exact(problem) else _error_at(problem, kept)
        return value if error == 0 else math.nextafter(value - error, -math.inf)
    total = math.fsum(_terms(problem, kept))
    above = math.fsum([total, *(-term for term in _terms(problem, kept))]) > 0
    return math.nextafter(total, -math.inf) if above else total


def fixing_error(
    problem: ChannelSelection, free: np.ndarray, kept: np.ndarray
) -> float:
    """Bound what rounding q_F + 2Q_FK·1 moves any objective; O(n²), O(mn) factored."""
    if not kept.any() or sums_are_exact(problem):
        return 0.0
    if problem.Q is not None:
        pairs = float(np.abs(problem.Q[np.ix_(free, kept)]).sum())
    else:
        assert problem.factor is not None
        sums = np.abs(problem.factor[:, free]).sum(axis=1)
        pairs = float(sums @ np.abs(problem.factor[:, kept]).sum(axis=1))
    size = 2.0 * pairs + float(np.abs(problem.q[free]).sum())
    underflow = 4.0 * problem.n * (problem.rank + 4) * TINY
    return 2.0 * gamma(problem.n + problem.rank + 4) * size + underflow


def forming_error(problem: ChannelSelection) -> float:
    """Bound what forming a factored Q moves any objective; 0 for a dense one, O(mn).

    γ_{m+2}·(‖|F|1‖² + |diagonal|ᵀ1), over all points at once.
    """
    if problem.factor is None or problem.diagonal is None:
        return 0.0
    rows = np.abs(problem.factor).sum(axis=1)
    size = float(rows @ rows) + float(np.abs(problem.diagonal).sum())
    return gamma(problem.rank + 2) * size


def sums_are_exact(problem: ChannelSelection) -> bool:
    """Say whether data are so whole and small that no sum of them is rounded."""
    if problem.Q is not None:
        data = (2.0 * problem.Q, 2.0 * problem.q)
    else:
        assert problem.factor is not None and problem.diagonal is not None
        data = (problem.factor, 2.0 * problem.diagonal, 2.0 * problem.q)
    if not all(bool((part == np.rint(part)).all()) for part in data):
        return False
    form, *vectors = (float(np.abs(part).sum()) for part in data)
    largest = sum(vectors) + 2.0 * abs(problem.constant)
    largest += form if problem.Q is not None else 2.0 * form**2
    return largest < _EXACT and (2.0 * problem.constant).is_integer()


def _terms(problem: ChannelSelection, kept: np.ndarray) -> Iterator[float]:
    assert problem.Q is not None
    yield problem.constant
    yield from problem.q[kept].tolist()
    for i in kept:
        yield from problem.Q[i, kept].tolist()


def _error_at(problem: ChannelSelection, kept: np.ndarray) -> float:
    assert problem.factor is not None and problem.diagonal is not None
    image = np.abs(problem.factor[:, kept]).sum(axis=1)
    size = float(image @ image) + float(np.abs(problem.diagonal[kept]).sum())
    size += float(np.abs(problem.q[kept]).sum()) + abs(problem.constant)
    underflow = 4.0 * problem.n * (problem.rank + 4) * TINY
    return gamma(2 * (problem.rank + problem.n) + 8) * size + underflow
