"""Flips and swaps on a dense quadratic form: steepest descent and tabu search.

Kept throughout: ``change`` (n,), what flipping channel i alone adds to the objective,
Q_ii + g_i for one that would enter, Q_ii - g_i for one that would leave, g = 2Qz + q;
``sign`` (n,), -1 for a kept channel and +1 for a removed one. A swap of i out and j in
adds change_i + change_j - 2Q_ij.
"""

import numpy as np
from numba import njit

from ccsolve.kernels.random_numbers import below

NEVER = 1e300
"""Stands for a move that is not allowed."""

VALUE, BEST, USED = 0, 1, 2
"""Entries of ``totals`` (3,): objective, best objective so far, budget used."""

MOVES, IMPROVED = 0, 1
"""Entries of ``clock`` (2,): moves made, and the move that last improved the best."""

_HIGHEST = np.int64(0x7FFFFFFFFFFFFFFF)


@njit(cache=True)
def lowest(values, state):
    """Give the index of the lowest entry, to n·2⁻⁵² of it; ties at random. O(n).

    Floats are compared as integers, because the compiler turns integer minima into
    vector instructions and float minima not; a negative float's bits order backwards.
    The index rides in the last bits, scrambled so that ties fall at random.
    """
    bits = values.view(np.int64)
    n = bits.shape[0]
    mask = np.int64(1)
    while mask < n:
        mask *= 2
    mask -= 1
    scramble = np.int64(below(state, mask + 1))
    low = _HIGHEST
    for k in range(n):
        ordered = bits[k] ^ ((bits[k] >> 63) & _HIGHEST)
        ordered = (ordered & ~mask) | (k ^ scramble)
        low = ordered if ordered < low else low
    return (low & mask) ^ scramble


@njit(cache=True, forceinline=True)
def flip(Q, change, sign, k):
    """Flip channel k: every change follows, its own turns round. O(n)."""
    own = change[k]
    twice = 2.0 * sign[k]
    for j in range(change.shape[0]):
        change[j] += twice * sign[j] * Q[k, j]
    change[k] = -own
    sign[k] = -sign[k]


@njit(cache=True, forceinline=True)
def swap(Q, change, sign, i, j):
    """Flip the kept channel i and the removed channel j in one pass. O(n)."""
    own_i, own_j, pair = change[i], change[j], 2.0 * Q[i, j]
    for k in range(change.shape[0]):
        change[k] += 2.0 * sign[k] * (Q[j, k] - Q[i, k])
    change[i] = pair - own_i
    change[j] = pair - own_j
    sign[i] = 1.0
    sign[j] = -1.0


@njit(cache=True, forceinline=True)
def _split(change, sign, held_until, now, leaving, entering):
    """Copy each change to its side; the other side and tabu channels get NEVER."""
    for k in range(change.shape[0]):
        free = held_until[k] <= now
        leaving[k] = change[k] if free and sign[k] < 0 else NEVER
        entering[k] = change[k] if free and sign[k] > 0 else NEVER


@njit(cache=True, forceinline=True)
def _affordable(entering, cost, room, out):
    """Give what entering brings where the cost fits into ``room``, NEVER elsewhere."""
    for k in range(entering.shape[0]):
        out[k] = entering[k] if cost[k] <= room else NEVER


@njit(cache=True, forceinline=True)
def _after(Q, i, entering, cost, room, out):
    """Give what entering brings once i has left, NEVER where it is not affordable."""
    for k in range(entering.shape[0]):
        out[k] = entering[k] - 2.0 * Q[i, k] if cost[k] <= room else NEVER


@njit(cache=True, forceinline=True)
def _best_flip(leaving, entering, cost, slack, scratch, state):
    """Give (out, in, change) of the best single flip; -1 stands for no channel."""
    _affordable(entering, cost, slack, scratch)
    i, j = lowest(leaving, state), lowest(scratch, state)
    if leaving[i] <= scratch[j]:
        return i, -1, leaving[i]
    return -1, j, scratch[j]


@njit(cache=True, forceinline=True)
def _best_swap(
    Q, cost, slack, pair_gain, candidates, leaving, entering, found, scratch, state
):
    """Give (out, in, change) of the best swap, or ``found`` where none is better.

    Exact over the ``candidates`` channels cheapest to leave, each against every one
    that may enter. ``pair_gain`` ≥ 2·Q_ij off the diagonal ends the scan early: with
    candidates = n the best of all swaps is found in near O(n).
    """
    best = found
    floor = -NEVER
    if candidates > 1:
        floor = entering[lowest(entering, state)] - pair_gain
    for _ in range(candidates):
        i = lowest(leaving, state)
        if leaving[i] >= NEVER or leaving[i] + floor >= best[2]:
            break
        _after(Q, i, entering, cost, slack + cost[i], scratch)
        j = lowest(scratch, state)
        if leaving[i] + scratch[j] < best[2]:
            best = (i, j, leaving[i] + scratch[j])
        leaving[i] = NEVER
    return best


@njit(cache=True, forceinline=True)
def _make(Q, cost, change, sign, totals, i, j, gain):
    """Make the move of i out and j in, either of which may be -1 for none."""
    if i >= 0 and j >= 0:
        swap(Q, change, sign, i, j)
        totals[USED] += cost[j] - cost[i]
    elif i >= 0:
        flip(Q, change, sign, i)
        totals[USED] -= cost[i]
    else:
        flip(Q, change, sign, j)
        totals[USED] += cost[j]
    totals[VALUE] += gain


@njit(cache=True)
def search(
    Q,
    cost,
    limit,
    swaps_only,
    pair_gain,
    change,
    sign,
    held_until,
    tenure,
    totals,
    clock,
    best_sign,
    moves,
    patience,
    candidates,
    tolerance,
    state,
):
    """Make up to ``moves`` best moves; give whether the search is over.

    Tabu search (Glover 1989; constrained neighbourhood: Wu and Hao, EJOR 231, 2013)
    with ``patience`` > 0: the best move that is not tabu is made even uphill, a channel
    that moved is held for a random tenure, and ``patience`` moves without a better best
    end the search. Steepest descent with ``patience`` = 0: over where no move gains
    more than ``tolerance``.

    Parameters
    ----------
    Q, cost, limit : (n, n) form; (n,) costs and what they may sum to, inf for no limit.
    swaps_only : whether the cardinality is fixed; otherwise single flips too.
    pair_gain : at least 2·max Q_ij off the diagonal.
    change, sign, held_until, totals, clock : the running state, updated in place.
    tenure : (4,) moves after which a channel that left may return, base and spread, and
        the same for one that entered.
    best_sign : (n,) signs of the best point, updated in place.
    candidates : leaving channels tried with every entering one.
    state : (1,) uint64 of the random numbers.
    """
    n = change.shape[0]
    leaving, entering, scratch = np.empty(n), np.empty(n), np.empty(n)
    stop = clock[MOVES] + moves
    while clock[MOVES] < stop:
        clock[MOVES] += 1
        now = clock[MOVES]
        slack = limit - totals[USED]
        _split(change, sign, held_until, now, leaving, entering)
        move = (-1, -1, NEVER)
        if not swaps_only:
            move = _best_flip(leaving, entering, cost, slack, scratch, state)
        if swaps_only or limit < np.inf:
            move = _best_swap(
                Q,
                cost,
                slack,
                pair_gain,
                candidates,
                leaving,
                entering,
                move,
                scratch,
                state,
            )
        i, j, gain = move
        if patience == 0 and gain >= -tolerance:
            return True
        if gain < 0.5 * NEVER:
            _make(Q, cost, change, sign, totals, i, j, gain)
            if i >= 0:
                held_until[i] = now + tenure[0] + below(state, tenure[1] + 1)
            if j >= 0:
                held_until[j] = now + tenure[2] + below(state, tenure[3] + 1)
        if totals[VALUE] < totals[BEST] - tolerance:
            totals[BEST] = totals[VALUE]
            clock[IMPROVED] = now
            best_sign[:] = sign
        if patience > 0 and now - clock[IMPROVED] >= patience:
            return True
    return False
