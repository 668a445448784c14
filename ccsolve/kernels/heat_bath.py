"""Annealing where a channel meets all its partners at once, in single precision.

One update takes a random channel i out of its side and puts back one of the channels
that could stand there instead, or i itself, each with the chance that Boltzmann gives
it: heat-bath, or Gibbs, dynamics (Creutz, Physical Review D 21, 1980) of the exchanges.
One pass over n numbers does what n/2 Metropolis proposals do, nearly all of them
refusals where it matters, and compiles to vector instructions.

Drawn by the maximum of Gumbel numbers: exp(-E_j/T) ∝ the chance that E_j - T·G_j is
lowest. The numbers come from a table, read at a random place.

Single precision halves the memory that a pass reads. ``change`` is summed from rounded
entries, so a value is true to about 1e-7·n·kept of the largest entry: good for choosing
moves, and whoever takes a point from here recomputes it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.random_numbers import below
from ccsolve.kernels.search_state import BEST, USED, VALUE, flip, swap

_NEVER = np.float32(1e30)
"""Score of an exchange that is not allowed; scores are at most about 4n."""

_HIGHEST = np.int32(0x7FFFFFFF)
_SIGN_BIT = np.int32(31)


class Bath(NamedTuple):
    """A program in single precision.

    Attributes
    ----------
    Q : (n, n) float32, in units of ``unit``: entries of at most 1.
    unit : a power of two.
    noise : (m,) float32 standard Gumbel numbers, m > n; ``most`` is the largest.
    """

    Q: np.ndarray
    unit: float
    noise: np.ndarray
    most: np.float32


class Heat(NamedTuple):
    """The running state: `search_state.Walk` in single precision.

    Attributes
    ----------
    change, sign, best_sign : (n,) float32; changes in units of the bath's.
    scratch, bits : (n,) float32, and the same memory as int32.
    totals : (3,) objective, best so far, budget used, in units of the program's.
    """

    change: np.ndarray
    sign: np.ndarray
    best_sign: np.ndarray
    scratch: np.ndarray
    bits: np.ndarray
    totals: np.ndarray


def empty_heat(n: int) -> Heat:
    """Give a state whose arrays hold nothing yet."""
    change, sign, best_sign = (np.empty(n, np.float32) for _ in range(3))
    scratch = np.empty(n, np.float32)
    return Heat(change, sign, best_sign, scratch, scratch.view(np.int32), np.empty(3))


@njit(cache=True)
def _index_mask(n):
    mask = np.int32(1)
    while mask < n:
        mask *= np.int32(2)
    return mask - np.int32(1)


@njit(cache=True, forceinline=True)
def _lowest(bits, mask):
    """Give the index of the lowest entry, up to the bits that the index takes. O(n).

    As `swap_search.lowest`, in 32 bits: half of them are left at n = 4,096, which
    blurs a choice by less than the temperature does.
    """
    low = _HIGHEST
    for k in range(bits.shape[0]):
        ordered = bits[k] ^ ((bits[k] >> _SIGN_BIT) & _HIGHEST)
        ordered = (ordered & ~mask) | np.int32(k)
        low = ordered if ordered < low else low
    return np.int64(low & mask)


@njit(cache=True, forceinline=True)
def _lowest_change(change, sign, side, scratch, bits):
    """Give the lowest change of the channels on a side."""
    for k in range(change.shape[0]):
        scratch[k] = change[k] if sign[k] == side else _NEVER
    low = _HIGHEST
    for k in range(bits.shape[0]):
        ordered = bits[k] ^ ((bits[k] >> _SIGN_BIT) & _HIGHEST)
        low = ordered if ordered < low else low
    bits[0] = low ^ ((low >> _SIGN_BIT) & _HIGHEST)
    return scratch[0]


@njit(cache=True)
def warm(bath, walk, heat):
    """Fill the state from that of a walk in double precision; O(n)."""
    inverse = 1.0 / bath.unit
    for k in range(heat.change.shape[0]):
        heat.change[k] = inverse * walk.change[k]
        heat.sign[k] = walk.sign[k]
        heat.best_sign[k] = walk.sign[k]
    heat.totals[:] = walk.totals
    heat.totals[BEST] = heat.totals[VALUE]


@njit(cache=True, forceinline=True)
def _score(row, noise, i, temperature, change, sign, scratch):
    """Score the exchange of i with every channel: its change, less T·Gumbel."""
    own, side = change[i], sign[i]
    for k in range(change.shape[0]):
        score = change[k] + own - (row[k] + row[k]) - temperature * noise[k]
        scratch[k] = score if sign[k] != side else _NEVER


@njit(cache=True, forceinline=True)
def _bar_costly(cost, slack, side, i, scratch):
    """Strike out the exchanges with i that the budget does not allow."""
    way = -np.float64(side)
    bar = slack + way * cost[i]
    for k in range(cost.shape[0]):
        if way * cost[k] > bar:
            scratch[k] = _NEVER


@njit(cache=True)
def cool(program, bath, heat, temperatures, updates, moved, state):
    """Make updates at each temperature; O(n) each, less where it is cold.

    Without a fixed cardinality an update is the flip of one channel, by the chances of
    both sides; under a budget alone, half of them are.

    Parameters
    ----------
    program, bath, heat : `Program`; `Bath`; `Heat`, updated in place.
    temperatures : (t,) in units of the objective.
    moved : (t,) counts how many of the ``updates`` moved.
    state : (1,) uint64 of the random numbers.
    """
    # Taken out of their tuples once: each look would count a reference, 5 ns.
    Q, cost, noise, totals = bath.Q, program.cost, bath.noise, heat.totals
    change, sign, scratch, bits = heat.change, heat.sign, heat.scratch, heat.bits
    limit, free = program.limit, program.keep < 0
    n, mask = change.shape[0], _index_mask(change.shape[0])
    table, pair_gain = noise.shape[0] - n, np.float32(program.pair_gain / bath.unit)
    leaving = _lowest_change(change, sign, np.float32(-1.0), scratch, bits)
    entering = _lowest_change(change, sign, np.float32(1.0), scratch, bits)
    for t in range(temperatures.shape[0]):
        T = np.float32(temperatures[t] / bath.unit)
        for _ in range(updates):
            i = below(state, n)
            side, gain, spent = sign[i], change[i], sign[i] * cost[i]
            stay = -T * noise[below(state, table)]
            if free and (limit == np.inf or below(state, 2) == 0):
                dear = spent > limit - totals[USED]
                if dear or gain - T * noise[below(state, table)] >= stay:
                    continue
                flip(Q, change, sign, i)
            else:
                # Nothing on the other side can win: most of a cold run ends here.
                other = entering if side < 0 else leaving
                if gain + other - pair_gain - T * bath.most >= stay:
                    continue
                # A slice, for an index that might be negative stops vectorisation.
                at = below(state, table)
                _score(Q[i], noise[at : at + n], i, T, change, sign, scratch)
                if limit < np.inf:
                    _bar_costly(cost, limit - totals[USED], side, i, scratch)
                j = _lowest(bits, mask)
                if scratch[j] >= stay:
                    continue
                gain += change[j] - (Q[i, j] + Q[i, j])
                spent += sign[j] * cost[j]
                if side < 0:
                    swap(Q, change, sign, i, j)
                else:
                    swap(Q, change, sign, j, i)
            moved[t] += 1
            leaving = _lowest_change(change, sign, np.float32(-1.0), scratch, bits)
            entering = _lowest_change(change, sign, np.float32(1.0), scratch, bits)
            totals[VALUE] += bath.unit * gain
            totals[USED] += spent
            if totals[VALUE] < totals[BEST] - program.tolerance:
                totals[BEST] = totals[VALUE]
                heat.best_sign[:] = sign
