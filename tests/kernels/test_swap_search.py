import itertools

import numpy as np
import pytest

from ccsolve.kernels.search_state import (
    BEST,
    MOVES,
    USED,
    VALUE,
    Program,
    begin,
    empty_walk,
)
from ccsolve.kernels.swap_search import NEVER, Rule, lowest, search
from ccsolve.problems.checks import frozen

HOLD = np.array([3, 0, 2, 0])
FREE = np.zeros(4, dtype=np.int64)


class Run:
    """A search in plain numpy terms, beside the arrays that the kernel changes."""

    def __init__(self, n=9, keep=4, seed=0, limit=np.inf, swaps_only=True):
        rng = np.random.default_rng(seed)
        A = rng.standard_normal((n, n))
        Q, q = A + A.T, rng.standard_normal(n)
        cost = rng.integers(1, 6, n).astype(float) * (limit < np.inf)
        off = Q - np.diag(np.diag(Q))
        count = keep if swaps_only else -1
        data = (frozen(Q), frozen(q), frozen(cost))
        self.program = Program(*data, limit, count, 1e-12, 2 * off.max())
        self.walk = empty_walk(n)
        self.walk.sign[:] = 1.0
        self.walk.sign[np.argsort(cost, kind="stable")[:keep]] = -1.0
        begin(self.program, self.walk)
        self.state = np.array([seed + 1], dtype=np.uint64)

    @property
    def z(self):
        return self.walk.sign < 0

    def value(self, z):
        return z @ self.program.Q @ z + self.program.q @ z

    def true_change(self):
        z = self.z
        flipped = [np.arange(z.size) == k for k in range(z.size)]
        return np.array([self.value(z ^ f) - self.value(z) for f in flipped])

    def neighbours(self):
        """Give (change, z') of every feasible move from here."""
        z, program = self.z, self.program
        moves = []
        if program.keep >= 0 or program.limit < np.inf:
            moves += itertools.product(np.flatnonzero(z), np.flatnonzero(~z))
        if program.keep < 0:
            moves += [(k,) for k in range(z.size)]
        for move in moves:
            other = z.copy()
            other[list(move)] ^= True
            if program.cost @ other <= program.limit:
                yield self.value(other) - self.value(z), other

    def go(self, moves=1, patience=0, candidates=None, tenure=FREE):
        rule = Rule(patience, self.z.size if candidates is None else candidates)
        return search(self.program, self.walk, tenure, rule, moves, self.state)

    def check(self):
        z, totals, cost = self.z, self.walk.totals, self.program.cost
        assert self.walk.change == pytest.approx(self.true_change(), abs=1e-9)
        assert totals[VALUE] == pytest.approx(self.value(z), abs=1e-9)
        assert totals[USED] == pytest.approx(cost @ z, abs=1e-9)
        best = self.walk.best_sign < 0
        assert totals[BEST] == pytest.approx(self.value(best), abs=1e-9)
        assert totals[BEST] <= totals[VALUE] + 1e-9
        for point in (z, best):
            assert cost @ point <= self.program.limit


CASES = [
    {},
    {"keep": 1},
    {"keep": 8},
    {"limit": 11.0},
    {"limit": 11.0, "swaps_only": False},
    {"swaps_only": False},
]


def test_lowest_is_the_lowest_of_any_sign_and_size():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 16, 65, 300):
        for scale in (1e-12, 1.0, 1e12):
            values = scale * rng.standard_normal(n)
            for scramble in (0, 12345):
                assert lowest(values, scramble) == values.argmin()
                assert lowest(np.abs(values), scramble) == np.abs(values).argmin()
    assert lowest(np.array([NEVER, -0.5, NEVER]), 3) == 1


def test_lowest_breaks_ties_by_the_scramble():
    values = np.array([1.0, 0.0, 2.0, 0.0, 0.0])
    assert lowest(values, 0) == 1
    assert {lowest(values, scramble) for scramble in range(8)} == {1, 3, 4}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(5))
def test_descent_makes_the_best_move_until_none_is_better(case, seed):
    run = Run(seed=seed, **case)
    over, gain = False, -np.inf
    while not over:
        gain, best = min(run.neighbours(), key=lambda move: move[0])
        over = run.go()
        run.check()
        if not over:
            assert np.array_equal(run.z, best)
    assert gain >= -1e-12


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("candidates", [1, 3])
def test_tabu_search_stays_feasible_and_holds_what_moved(case, candidates):
    run = Run(seed=2, **case)
    kept = int(run.z.sum())
    moved_at = np.full(run.z.size, -100)
    for move in range(60):
        before = run.z
        run.go(patience=10**6, candidates=candidates, tenure=HOLD)
        run.check()
        moved = np.flatnonzero(before ^ run.z)
        for k in moved:
            assert move - moved_at[k] >= HOLD[2 if before[k] else 0]
            moved_at[k] = move
        if run.program.keep >= 0:
            assert run.z.sum() == kept
    assert run.walk.clock[MOVES] == 60


def test_tabu_search_goes_uphill_and_ends_when_patience_does():
    run = Run(seed=1)
    assert run.go(moves=10**6)
    optimum = run.walk.totals[BEST]
    run.walk.clock[:] = 0
    assert run.go(moves=10**6, patience=50, candidates=1, tenure=HOLD)
    assert run.walk.totals[BEST] <= optimum
    assert run.walk.clock[0] - run.walk.clock[1] == 50


def test_the_same_state_gives_the_same_walk():
    runs = [Run(n=30, keep=12, seed=4) for _ in range(2)]
    for run in runs:
        run.go(moves=500, patience=10**6, candidates=1, tenure=HOLD)
    assert np.array_equal(runs[0].walk.sign, runs[1].walk.sign)
    assert np.array_equal(runs[0].walk.change, runs[1].walk.change)


def test_nothing_to_swap_is_no_move():
    for keep in (0, 9):
        run = Run(keep=keep)
        assert run.go()
        run.go(moves=20, patience=10, candidates=1, tenure=HOLD)
        assert run.z.sum() == keep
