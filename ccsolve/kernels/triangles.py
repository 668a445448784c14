"""The most violated cuts of a lifted point: every pair and triple is looked at."""

import numpy as np
from numba import njit

from ccsolve.kernels.dual_sweep import ALL, APEX, EITHER, UNDER

BINS = 256
"""Classes of violation, by which the largest are found without sorting."""


def violated_cuts(
    X: np.ndarray, first: int, least: float, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give (kinds, places, violations) of the most violated cuts, ``most`` at most.

    Cuts violated by no more than ``least`` < 1 are left out. X is (N, N), channels
    begin at ``first``. Two passes of O(N³): one counts by classes of violation, one
    collects; within the lowest class that is taken, those that come first.
    """
    # Made here, for arrays that numba makes are not safe against Ctrl-C (decision 8).
    cuts, violations = np.empty((most, 4), np.int64), np.empty(most)
    found = _collect(X, first, least, cuts, violations)
    kinds, places = cuts[:found, 0].copy(), cuts[:found, 1:].copy()
    return kinds, places, violations[:found]


@njit(cache=True)
def _collect(X, first, least, cuts, violations):
    """Write the most violated cuts into the arrays, as many as fit; give how many."""
    # How many there are of each class, and how many there is room for.
    classes = np.zeros((2, BINS), np.int64)
    _visit(X, first, least, classes, cuts, violations[:0])
    total, most = 0, violations.size
    for place in range(BINS - 1, -1, -1):
        classes[1, place] = min(classes[0, place], most - total)
        total += classes[1, place]
    if total > 0:
        _visit(X, first, least, classes, cuts, violations)
    return total


@njit(cache=True)
def _visit(X, first, least, classes, cuts, v):
    """Count the violated cuts where v is empty, else collect what there is room for."""
    at = 0
    for i in range(first, X.shape[0]):
        own = X[i, i]
        for j in range(first, i):
            other, a = X[j, j], X[i, j]
            both = own + other - a - 1.0
            at = _offer(a - own, UNDER, i, j, i, least, classes, cuts, v, at)
            at = _offer(a - other, UNDER, j, i, j, least, classes, cuts, v, at)
            at = _offer(both, EITHER, i, j, i, least, classes, cuts, v, at)
            for k in range(first, j):
                third, b, c = X[k, k], X[i, k], X[j, k]
                x, y, z = a + b - c - own, a + c - b - other, b + c - a - third
                total = both + third - b - c
                # Nearly all triples end here.
                if max(max(x, y), max(z, total)) <= least:
                    continue
                at = _offer(x, APEX, i, j, k, least, classes, cuts, v, at)
                at = _offer(y, APEX, j, i, k, least, classes, cuts, v, at)
                at = _offer(z, APEX, k, i, j, least, classes, cuts, v, at)
                at = _offer(total, ALL, i, j, k, least, classes, cuts, v, at)
    return at


@njit(cache=True)
def _offer(violation, kind, i, j, k, least, classes, cuts, violations, at):
    """Count a cut, or write it to place ``at``; give the next place."""
    if violation <= least:
        return at
    place = min(BINS - 1, int(BINS * (violation - least) / (1.0 - least)))
    if violations.size == 0:
        classes[0, place] += 1
        return at
    if classes[1, place] == 0:
        return at
    classes[1, place] -= 1
    cuts[at, 0], cuts[at, 1], cuts[at, 2], cuts[at, 3] = kind, i, j, k
    violations[at] = violation
    return at + 1
