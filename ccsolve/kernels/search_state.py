"""What the searches on a dense form work on, as named tuples of arrays.

Kept throughout: ``change`` (n,), what flipping channel i alone adds to the objective,
Q_ii + g_i for one that would enter, Q_ii - g_i for one that would leave, g = 2Qz + q;
``sign`` (n,), -1 for a kept channel and +1 for a removed one. A swap of i out and j in
adds change_i + change_j - 2Q_ij.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

VALUE, BEST, USED = 0, 1, 2
"""Entries of ``totals`` (3,): objective, best objective so far, budget used."""

MOVES, IMPROVED = 0, 1
"""Entries of ``clock`` (2,): moves made, and the move that last improved the best."""


class Program(NamedTuple):
    """zᵀQz + qᵀz under 1ᵀz = keep and costᵀz ≤ limit, either absent.

    Attributes
    ----------
    Q, q, cost : (n, n), (n,), (n,), read-only.
    limit : inf, and zero costs, without a budget.
    keep : -1 where the cardinality is free.
    tolerance : differences of the objective below it are rounding.
    pair_gain : 2·max Q_ij off the diagonal.
    """

    Q: np.ndarray
    q: np.ndarray
    cost: np.ndarray
    limit: float
    keep: int
    tolerance: float
    pair_gain: float


class Walk(NamedTuple):
    """The running state of one search; the kernels write into the arrays.

    Attributes
    ----------
    change, sign : (n,) as the module describes them.
    held_until : (n,) the move up to which a channel is tabu.
    totals, clock : objective, best, budget used; moves, last improvement.
    best_sign : (n,) signs of the best point.
    """

    change: np.ndarray
    sign: np.ndarray
    held_until: np.ndarray
    totals: np.ndarray
    clock: np.ndarray
    best_sign: np.ndarray


def empty_walk(n: int) -> Walk:
    """Give a walk whose arrays hold nothing yet."""
    held_until, clock = np.zeros(n, np.int64), np.zeros(2, np.int64)
    return Walk(np.empty(n), np.empty(n), held_until, np.empty(3), clock, np.empty(n))


@njit(cache=True)
def begin(program, walk):
    """Fill a walk for the point that its ``sign`` gives; O(n·kept)."""
    Q, q, change, sign = program.Q, program.q, walk.change, walk.sign
    n = sign.shape[0]
    change[:] = q
    used = 0.0
    for j in range(n):
        if sign[j] < 0:
            used += program.cost[j]
            for k in range(n):
                change[k] += 2.0 * Q[j, k]
    value = 0.0
    for k in range(n):
        if sign[k] < 0:
            value += 0.5 * (change[k] + q[k])
        change[k] = Q[k, k] + sign[k] * change[k]
    walk.totals[VALUE] = value
    walk.totals[BEST] = value
    walk.totals[USED] = used
    walk.held_until[:] = 0
    walk.clock[:] = 0
    walk.best_sign[:] = sign


@njit(cache=True, forceinline=True)
def flip(Q, change, sign, k):
    """Flip channel k: every change follows, its own turns round. O(n)."""
    own = change[k]
    # Sums for doubles: a literal 2.0 would take single precision to double.
    twice = sign[k] + sign[k]
    for j in range(change.shape[0]):
        change[j] += twice * sign[j] * Q[k, j]
    change[k] = -own
    sign[k] = -sign[k]


@njit(cache=True, forceinline=True)
def swap(Q, change, sign, i, j):
    """Flip the kept channel i and the removed channel j in one pass. O(n)."""
    own_i, own_j, pair = change[i], change[j], Q[i, j] + Q[i, j]
    for k in range(change.shape[0]):
        step = Q[j, k] - Q[i, k]
        change[k] += sign[k] * (step + step)
    change[i] = pair - own_i
    change[j] = pair - own_j
    sign[i] = 1.0
    sign[j] = -1.0
