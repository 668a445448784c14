import numpy as np
import pytest

from ccsolve.kernels.search_state import (
    BEST,
    USED,
    VALUE,
    Program,
    begin,
    empty_walk,
    flip,
    swap,
)
from ccsolve.problems.checks import frozen


def _program(n: int, seed: int = 0) -> Program:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    cost = rng.integers(1, 5, n).astype(float)
    data = (frozen(A + A.T), frozen(rng.standard_normal(n)), frozen(cost))
    return Program(*data, np.inf, 4, 1e-9, 1.0)


def _signs(n: int, keep: int, seed: int = 0) -> np.ndarray:
    sign = np.ones(n)
    sign[np.random.default_rng(seed).permutation(n)[:keep]] = -1
    return sign


def _value(program: Program, sign: np.ndarray) -> float:
    z = sign < 0
    return float(z @ program.Q @ z + program.q @ z)


def _changes(program: Program, sign: np.ndarray) -> np.ndarray:
    flipped = [
        np.where(np.arange(sign.size) == k, -sign, sign) for k in range(sign.size)
    ]
    return np.array([_value(program, f) - _value(program, sign) for f in flipped])


def test_a_walk_begins_with_true_changes_and_totals():
    program, walk = _program(9), empty_walk(9)
    walk.sign[:] = _signs(9, 4)
    begin(program, walk)
    assert walk.change == pytest.approx(_changes(program, walk.sign))
    assert walk.totals[VALUE] == pytest.approx(_value(program, walk.sign))
    assert walk.totals[BEST] == walk.totals[VALUE]
    assert walk.totals[USED] == program.cost[walk.sign < 0].sum()
    assert np.array_equal(walk.best_sign, walk.sign)
    assert not walk.clock.any()
    assert not walk.held_until.any()


@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_flip_and_swap_keep_the_changes_up(precision: type):
    program, sign = _program(9), _signs(9, 4)
    Q = program.Q.astype(precision)
    change, sign = _changes(program, sign).astype(precision), sign.astype(precision)
    for k in (0, 5, 0, 8):
        flip(Q, change, sign, k)
        assert change == pytest.approx(_changes(program, sign), abs=1e-4)
    i, j = np.flatnonzero(sign < 0)[0], np.flatnonzero(sign > 0)[-1]
    before = _value(program, sign)
    gain = change[i] + change[j] - 2 * Q[i, j]
    swap(Q, change, sign, i, j)
    assert change.dtype == precision
    assert _value(program, sign) - before == pytest.approx(gain, abs=1e-4)
    assert change == pytest.approx(_changes(program, sign), abs=1e-4)
