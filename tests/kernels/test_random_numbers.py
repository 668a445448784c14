import numpy as np
from numba import njit

from ccsolve.kernels.random_numbers import below, next_bits, unit


@njit
def _many_below(state, count, out):
    for k in range(out.size):
        out[k] = below(state, count)


@njit
def _many_units(state, out):
    for k in range(out.size):
        out[k] = unit(state)


def _state(seed: int = 1) -> np.ndarray:
    return np.array([seed], dtype=np.uint64)


def _twin(bits: int) -> int:
    mask = 2**64 - 1
    bits ^= (bits << 13) & mask
    bits ^= bits >> 7
    bits ^= (bits << 17) & mask
    return bits


def test_bits_are_those_of_whole_numbers_in_python():
    state, bits = _state(88172645463325252), 88172645463325252
    for _ in range(100):
        bits = _twin(bits)
        assert int(next_bits(state)) == bits


def test_below_reaches_every_number_about_as_often():
    for count in (1, 2, 7, 1000):
        draws = np.empty(200 * count, dtype=np.int64)
        _many_below(_state(5), count, draws)
        often = np.bincount(draws, minlength=count)
        assert often.size == count
        assert np.abs(often - 200).max() < 6 * np.sqrt(200)


def test_units_fill_the_interval():
    draws = np.empty(10_000)
    _many_units(_state(9), draws)
    assert 0 <= draws.min() < 0.01
    assert 0.99 < draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.02
