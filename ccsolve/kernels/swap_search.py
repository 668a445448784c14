"""Flips and swaps on a dense quadratic form: steepest descent and tabu search."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.random_numbers import below, next_bits
from ccsolve.kernels.search_state import (
    BEST,
    IMPROVED,
    MOVES,
    USED,
    VALUE,
    flip,
    swap,
)

NEVER = 1e300
"""Stands for a move that is not allowed."""

_HIGHEST = np.int64(0x7FFFFFFFFFFFFFFF)


class Rule(NamedTuple):
    """How a search chooses and when it gives up.

    Attributes
    ----------
    patience : moves without a better best that end a tabu search; 0: descent.
    candidates : leaving channels tried with every entering one.
    """

    patience: int
    candidates: int


@njit(cache=True)
def lowest(values, scramble):
    """Give the index of the lowest entry, to n·2⁻⁵² of it. O(n).

    Floats are compared as integers, because the compiler turns integer minima into
    vector instructions and float minima not; a negative float's bits order backwards.
    The index rides in the last bits; a random whole number ``scramble`` makes ties fall
    at random, with 0 the first index wins.
    """
    bits = values.view(np.int64)
    n = bits.shape[0]
    mask = np.int64(1)
    while mask < n:
        mask *= 2
    mask -= 1
    scramble &= mask
    low = _HIGHEST
    for k in range(n):
        ordered = bits[k] ^ ((bits[k] >> 63) & _HIGHEST)
        ordered = (ordered & ~mask) | (k ^ scramble)
        low = ordered if ordered < low else low
    return (low & mask) ^ scramble


@njit(cache=True, forceinline=True)
def _any_lowest(values, state):
    return lowest(values, np.int64(next_bits(state) >> np.uint64(1)))


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
    i, j = _any_lowest(leaving, state), _any_lowest(scratch, state)
    if leaving[i] <= scratch[j]:
        return i, -1, leaving[i]
    return -1, j, scratch[j]


@njit(cache=True, forceinline=True)
def _best_swap(
    Q, cost, slack, pair_gain, candidates, leaving, entering, found, scratch, state
):
    """Give (out, in, change) of the best swap, or ``found`` where none is better.

    Exact over the ``candidates`` channels cheapest to leave, each against every one
    that may enter. No pair brings more than ``pair_gain``, which ends the scan early:
    with candidates = n the best of all swaps is found in near O(n).
    """
    best, floor = found, -NEVER
    if candidates > 1:
        floor = entering[_any_lowest(entering, state)] - pair_gain
    for _ in range(candidates):
        i = _any_lowest(leaving, state)
        if leaving[i] >= NEVER or leaving[i] + floor >= best[2]:
            break
        _after(Q, i, entering, cost, slack + cost[i], scratch)
        j = _any_lowest(scratch, state)
        if leaving[i] + scratch[j] < best[2]:
            best = (i, j, leaving[i] + scratch[j])
        leaving[i] = NEVER
    return best


@njit(cache=True, forceinline=True)
def _make(Q, cost, change, sign, totals, move):
    """Make the move of i out and j in, either of which may be -1 for none."""
    i, j, gain = move
    if i >= 0 and j >= 0:
        swap(Q, change, sign, i, j)
    else:
        flip(Q, change, sign, max(i, j))
    totals[USED] += (cost[j] if j >= 0 else 0.0) - (cost[i] if i >= 0 else 0.0)
    totals[VALUE] += gain


@njit(cache=True, forceinline=True)
def _hold(held_until, move, now, tenure, state):
    """Hold what moved for a random tenure."""
    i, j, _ = move
    if i >= 0:
        held_until[i] = now + tenure[0] + below(state, tenure[1] + 1)
    if j >= 0:
        held_until[j] = now + tenure[2] + below(state, tenure[3] + 1)


@njit(cache=True)
def search(program, walk, tenure, rule, moves, state):
    """Make up to ``moves`` best moves; give whether the search is over.

    Tabu search (Glover 1989; constrained neighbourhood: Wu and Hao, EJOR 231, 2013)
    with ``patience`` > 0: the best move that is not tabu is made even uphill, a channel
    that moved is held for a random tenure, and ``patience`` moves without a better best
    end the search. Steepest descent with ``patience`` = 0: over where no move gains
    more than the program's tolerance.

    Parameters
    ----------
    program, walk, rule : `Program`, `Walk`, updated in place, and `Rule`.
    tenure : (4,) moves after which a channel that left may return, base and spread, and
        the same for one that entered.
    state : (1,) uint64 of the random numbers.
    """
    # Taken out of their tuples once: each look would count a reference, 5 ns.
    Q, cost, limit = program.Q, program.cost, program.limit
    change, sign, held_until = walk.change, walk.sign, walk.held_until
    totals, clock, patience = walk.totals, walk.clock, rule.patience
    leaving, entering = np.empty_like(change), np.empty_like(change)
    scratch = np.empty_like(change)
    for _ in range(moves):
        clock[MOVES] += 1
        now, slack = clock[MOVES], limit - totals[USED]
        _split(change, sign, held_until, now, leaving, entering)
        move = (-1, -1, NEVER)
        if program.keep < 0:
            move = _best_flip(leaving, entering, cost, slack, scratch, state)
        if program.keep >= 0 or limit < np.inf:
            most, tried = program.pair_gain, rule.candidates
            move = _best_swap(
                Q, cost, slack, most, tried, leaving, entering, move, scratch, state
            )
        if patience == 0 and move[2] >= -program.tolerance:
            return True
        if move[2] < 0.5 * NEVER:
            _make(Q, cost, change, sign, totals, move)
            _hold(held_until, move, now, tenure, state)
        if totals[VALUE] < totals[BEST] - program.tolerance:
            totals[BEST] = totals[VALUE]
            clock[IMPROVED] = now
            walk.best_sign[:] = sign
        if patience > 0 and now - clock[IMPROVED] >= patience:
            return True
    return False
