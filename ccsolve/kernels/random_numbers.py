"""Random numbers inside kernels: one uint64 of state, the caller's, so seeds repeat.

xorshift64 (Marsaglia, Journal of Statistical Software 8, 2003): period 2⁶⁴ - 1, never
zero. Good for search; not for statistics of high dimension.
"""

import numpy as np
from numba import njit

_UNIT = 1.0 / 9007199254740992.0


@njit(cache=True)
def next_bits(state):
    """Advance the state (1,) uint64 and give it."""
    bits = state[0]
    bits ^= bits << np.uint64(13)
    bits ^= bits >> np.uint64(7)
    bits ^= bits << np.uint64(17)
    state[0] = bits
    return bits


@njit(cache=True)
def below(state, count):
    """Give a whole number in 0..count-1, count in 1..2³¹; bias below count/2³¹."""
    # A product and a shift for a division; numba turns uint64 mixed with int64 into a
    # float, hence the casts.
    high = next_bits(state) >> np.uint64(33)
    return np.int64((high * np.uint64(count)) >> np.uint64(31))


@njit(cache=True)
def unit(state):
    """Give a number in [0, 1) of 53 bits."""
    return np.float64(next_bits(state) >> np.uint64(11)) * _UNIT
