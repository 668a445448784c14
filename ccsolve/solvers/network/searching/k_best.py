"""The K-best search of integer least squares: all columns in turn, K points kept.

Also called the M-algorithm (Anderson, Mohan, 1984); detectors of signals from many
antennas decode by it what exact enumeration (Fincke, Pohst, 1985) cannot.
"""

from collections.abc import Generator

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.integer_squares import (
    WIDTH,
    decide_columns,
    drop_childless,
    hold_decided,
)


def k_best(
    R: np.ndarray, target: np.ndarray, kept: int, given: int | None = None
) -> Generator[Step, None, tuple[np.ndarray, np.ndarray]]:
    """Give points y of little ‖R(y - target)‖², and these costs.

    The cheapest comes first. The last entry is decided first: R is upper triangular, so
    that what its rows cost does not change any more, and all others are still free to
    make up for it. O(kept·n²) at most, less by far where points have much in common.

    Parameters
    ----------
    R : (n, n) upper triangular, no zero on the diagonal, finite; its squares, too.
    target : (n,) finite.
    kept : partial points that are gone on from, at least 1; one in 512 fewer may be.
    given : how many are given at most, by default all of these.

    Returns
    -------
    y : (K, n) bool, K points of those kept, among all 2ⁿ where these are no more.
    costs : (K,), rising.
    """
    n = len(target)
    levels = [slice(max(end - WIDTH, 0), end) for end in range(n, 0, -WIDTH)]
    parent = np.zeros((len(levels), kept), dtype=np.int32)
    taken, counts = np.zeros_like(parent), np.zeros(len(levels), dtype=np.int64)
    # Rows a power of two apart would share their places in a processor's cache.
    costs, behind = np.zeros(1), np.empty((WIDTH, kept + 8))
    for level, rows in enumerate(levels):
        above = np.zeros((n - rows.stop, WIDTH))
        above[:, : rows.stop - rows.start] = R[rows, rows.stop :].T
        decided = target[rows.stop :]
        hold_decided(above, decided, parent, taken, counts[:level], behind)
        corner, spent = np.ascontiguousarray(R[rows, rows]), np.empty(kept)
        found = parent[level], taken[level], spent
        count = decide_columns(corner, target[rows], behind, costs, kept, *found)
        costs, counts[level] = spent[:count], count
        drop_childless(parent, taken, counts[: level + 1])
        yield Step()
    at = np.argsort(costs, kind="stable")[:given]
    costs, y = costs[at], np.empty((len(at), n), dtype=bool)
    for level, rows in reversed(list(enumerate(levels))):
        y[:, rows] = taken[level, at, None] >> np.arange(rows.stop - rows.start) & 1
        at = parent[level, at]
    return y, costs
