"""Coordinate descent on ½βᵀQβ - tᵀβ + penalty·‖β‖₁."""

import numpy as np
from numba import njit


@njit(cache=True)
def descend(
    Q: np.ndarray,
    t: np.ndarray,
    penalty: float,
    beta: np.ndarray,
    rest: np.ndarray,
    rounds: int,
    tolerance: float,
) -> int:
    """Minimise over β, in place from where it is; give the rounds made.

    ``rest`` is t - Qβ, written afresh. Q (n, n) is positive semidefinite; a channel of
    Q_ii = 0 gets 0. A round costs O(n) for a coordinate that moves, O(1) for one that
    does not. It ends where no move changes a value Q_ii·β_i by more than
    ``tolerance``, or after that many rounds.
    """
    n = t.size
    for i in range(n):
        rest[i] = t[i]
        for j in range(n):
            rest[i] -= Q[i, j] * beta[j]
    for made in range(rounds):
        largest = 0.0
        for i in range(n):
            largest = max(largest, _settle(Q, penalty, beta, rest, i))
        if largest <= tolerance:
            return made + 1
    return rounds


@njit(cache=True)
def _settle(
    Q: np.ndarray, penalty: float, beta: np.ndarray, rest: np.ndarray, i: int
) -> float:
    """Set β_i to its best value; give how far Q_ii·β_i moved."""
    own = Q[i, i]
    pull = rest[i] + own * beta[i]
    best = 0.0
    if own > 0.0 and pull > penalty:
        best = (pull - penalty) / own
    elif own > 0.0 and pull < -penalty:
        best = (pull + penalty) / own
    move = best - beta[i]
    if move == 0.0:
        return 0.0
    beta[i] = best
    for j in range(rest.size):
        rest[j] -= Q[i, j] * move
    return abs(own * move)
