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
    kinds, places = np.empty(most, np.int64), np.empty((most, 3), np.int64)
    violations = np.empty(most)
    found = _collect(X, first, least, kinds, places, violations)
    return kinds[:found], places[:found], violations[:found]


@njit(cache=True)
def _collect(X, first, least, kinds, places, violations):
    """Write the most violated cuts into the arrays, as many as fit; give how many."""
    counts = np.zeros(BINS, np.int64)
    room = np.zeros(BINS, np.int64)
    _visit(X, first, least, counts, room, kinds, places, violations[:0])
    total, most = 0, violations.size
    for place in range(BINS - 1, -1, -1):
        room[place] = min(counts[place], most - total)
        total += room[place]
    if total > 0:
        _visit(X, first, least, counts, room, kinds, places, violations)
    return total


@njit(cache=True)
def _visit(X, first, least, counts, room, kinds, places, violations):
    """Count the violated cuts, or collect as many of a class as there is room for."""
    found = 0
    n = X.shape[0]
    for i in range(first, n):
        own = X[i, i]
        for j in range(first, i):
            pair = X[i, j]
            # No cut of three can be violated beyond what these allow.
            found = _offer(
                pair - own,
                UNDER,
                i,
                j,
                i,
                least,
                counts,
                room,
                found,
                kinds,
                places,
                violations,
            )
            found = _offer(
                pair - X[j, j],
                UNDER,
                j,
                i,
                j,
                least,
                counts,
                room,
                found,
                kinds,
                places,
                violations,
            )
            found = _offer(
                own + X[j, j] - pair - 1.0,
                EITHER,
                i,
                j,
                i,
                least,
                counts,
                room,
                found,
                kinds,
                places,
                violations,
            )
            for k in range(first, j):
                a, b, c = pair, X[i, k], X[j, k]
                worst = max(a + b - c - own, a + c - b - X[j, j])
                worst = max(worst, b + c - a - X[k, k])
                total = own + X[j, j] + X[k, k] - a - b - c - 1.0
                if max(worst, total) <= least:
                    continue
                found = _offer(
                    a + b - c - own,
                    APEX,
                    i,
                    j,
                    k,
                    least,
                    counts,
                    room,
                    found,
                    kinds,
                    places,
                    violations,
                )
                found = _offer(
                    a + c - b - X[j, j],
                    APEX,
                    j,
                    i,
                    k,
                    least,
                    counts,
                    room,
                    found,
                    kinds,
                    places,
                    violations,
                )
                found = _offer(
                    b + c - a - X[k, k],
                    APEX,
                    k,
                    i,
                    j,
                    least,
                    counts,
                    room,
                    found,
                    kinds,
                    places,
                    violations,
                )
                found = _offer(
                    total,
                    ALL,
                    i,
                    j,
                    k,
                    least,
                    counts,
                    room,
                    found,
                    kinds,
                    places,
                    violations,
                )
    return found


@njit(cache=True)
def _offer(
    violation, kind, i, j, k, least, counts, room, found, kinds, places, violations
):
    if violation <= least:
        return found
    place = min(BINS - 1, int(BINS * (violation - least) / (1.0 - least)))
    if violations.size == 0:
        counts[place] += 1
        return found
    if room[place] == 0:
        return found
    room[place] -= 1
    kinds[found] = kind
    places[found, 0], places[found, 1], places[found, 2] = i, j, k
    violations[found] = violation
    return found + 1
