"""The K-best search of integer least squares: all columns in turn, K points kept.

Also called the M-algorithm (Anderson, Mohan, 1984); detectors of signals from many
antennas decode by it what exact enumeration (Fincke, Pohst, 1985) cannot.
"""

from collections.abc import Generator

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.integer_squares import decide_columns

BLOCK = 16
"""Columns decided between two products of matrices."""


def k_best(
    R: np.ndarray, target: np.ndarray, kept: int
) -> Generator[Step, None, tuple[np.ndarray, np.ndarray]]:
    """Give up to ``kept`` points y of little ‖R(y - target)‖², and these costs.

    The cheapest comes first. The last entry is decided first: R is upper triangular, so
    that what its rows cost does not change any more, and all others are still free to
    make up for it. O(kept·n²), most of it in products of matrices.

    Parameters
    ----------
    R : (n, n) upper triangular, no zero on the diagonal.
    target : (n,).

    Returns
    -------
    y : (K, n) bool, K ≤ kept points; all 2ⁿ of them where these are no more.
    costs : (K,), rising.
    """
    off, costs = np.zeros((1, len(target))), np.zeros(1)
    for end in range(len(target), 0, -BLOCK):
        rows = slice(max(end - BLOCK, 0), end)
        behind = off[:, end:] @ R[rows, end:].T
        corner, room = np.ascontiguousarray(R[rows, rows]), max(kept, len(off))
        origin, spent = np.empty(room, dtype=np.int64), np.empty(room)
        own = np.empty((room, len(corner)))
        found = origin, own, spent
        count = decide_columns(corner, target[rows], behind, costs, kept, *found)
        off, costs = off[origin[:count]], spent[:count]
        off[:, rows] = own[:count]
        yield Step()
    rising = np.argsort(costs, kind="stable")
    return off[rising] + target > 0.5, costs[rising]
