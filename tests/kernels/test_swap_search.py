import itertools

import numpy as np
import pytest

from ccsolve.kernels.swap_search import (
    BEST,
    MOVES,
    NEVER,
    USED,
    VALUE,
    flip,
    lowest,
    search,
    swap,
)

HOLD = np.array([3, 0, 2, 0])
FREE = np.zeros(4, dtype=np.int64)


class Run:
    """A search in plain numpy terms, beside the arrays that the kernel changes."""

    def __init__(self, n=9, keep=4, seed=0, limit=np.inf, swaps_only=True):
        rng = np.random.default_rng(seed)
        A = rng.standard_normal((n, n))
        self.Q, self.q = A + A.T, rng.standard_normal(n)
        self.cost = rng.integers(1, 6, n).astype(float)
        if limit == np.inf:
            self.cost[:] = 0
        self.limit, self.swaps_only = limit, swaps_only
        z = np.zeros(n, dtype=bool)
        z[np.argsort(self.cost, kind="stable")[:keep]] = True
        self.sign = np.where(z, -1.0, 1.0)
        self.change = self.true_change()
        self.held = np.zeros(n, dtype=np.int64)
        self.totals = np.array([self.value(z), self.value(z), self.cost[z].sum()])
        self.clock = np.zeros(2, dtype=np.int64)
        self.best_sign = self.sign.copy()
        self.state = np.array([seed + 1], dtype=np.uint64)

    @property
    def z(self):
        return self.sign < 0

    def value(self, z):
        return z @ self.Q @ z + self.q @ z

    def true_change(self):
        z = self.z
        flipped = [np.arange(z.size) == k for k in range(z.size)]
        return np.array([self.value(z ^ f) - self.value(z) for f in flipped])

    def neighbours(self):
        """Give (change, z') of every feasible move from here."""
        z = self.z
        moves = []
        if self.swaps_only or self.limit < np.inf:
            moves += itertools.product(np.flatnonzero(z), np.flatnonzero(~z))
        if not self.swaps_only:
            moves += [(k,) for k in range(z.size)]
        for move in moves:
            other = z.copy()
            other[list(move)] ^= True
            if self.cost @ other <= self.limit:
                yield self.value(other) - self.value(z), other

    def go(self, moves=1, patience=0, candidates=None, tenure=FREE):
        off = self.Q - np.diag(np.diag(self.Q))
        return search(
            self.Q,
            self.cost,
            self.limit,
            self.swaps_only,
            2 * off.max(),
            self.change,
            self.sign,
            self.held,
            tenure,
            self.totals,
            self.clock,
            self.best_sign,
            moves,
            patience,
            self.z.size if candidates is None else candidates,
            1e-12,
            self.state,
        )

    def check(self):
        z = self.z
        assert self.change == pytest.approx(self.true_change(), abs=1e-9)
        assert self.totals[VALUE] == pytest.approx(self.value(z), abs=1e-9)
        assert self.totals[USED] == pytest.approx(self.cost @ z, abs=1e-9)
        best = self.best_sign < 0
        assert self.totals[BEST] == pytest.approx(self.value(best), abs=1e-9)
        assert self.totals[BEST] <= self.totals[VALUE] + 1e-9
        for point in (z, best):
            assert self.cost @ point <= self.limit


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
    state = np.array([3], dtype=np.uint64)
    for n in (1, 2, 3, 16, 65, 300):
        for scale in (1e-12, 1.0, 1e12):
            values = scale * rng.standard_normal(n)
            assert lowest(values, state) == values.argmin()
            assert lowest(np.abs(values), state) == np.abs(values).argmin()
    assert lowest(np.array([NEVER, -0.5, NEVER]), state) == 1


def test_lowest_breaks_ties_at_random():
    values = np.array([1.0, 0.0, 2.0, 0.0, 0.0])
    state = np.array([3], dtype=np.uint64)
    found = {lowest(values, state) for _ in range(200)}
    assert found == {1, 3, 4}


def test_flip_and_swap_keep_the_changes_up():
    run = Run()
    for k in (0, 5, 0, 8):
        flip(run.Q, run.change, run.sign, k)
        assert run.change == pytest.approx(run.true_change())
    i, j = np.flatnonzero(run.z)[0], np.flatnonzero(~run.z)[-1]
    before = run.value(run.z)
    gain = run.change[i] + run.change[j] - 2 * run.Q[i, j]
    swap(run.Q, run.change, run.sign, i, j)
    assert run.value(run.z) - before == pytest.approx(gain)
    assert run.change == pytest.approx(run.true_change())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(5))
def test_descent_makes_the_best_move_until_none_is_better(case, seed):
    run = Run(seed=seed, **case)
    over = False
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
        if run.swaps_only:
            assert run.z.sum() == kept
    assert run.clock[MOVES] == 60


def test_tabu_search_goes_uphill_and_ends_when_patience_does():
    run = Run(seed=1)
    assert run.go(moves=10**6)
    optimum = run.totals[BEST]
    run.clock[:] = 0
    assert run.go(moves=10**6, patience=50, candidates=1, tenure=HOLD)
    assert run.totals[BEST] <= optimum
    assert run.clock[0] - run.clock[1] == 50


def test_the_same_state_gives_the_same_walk():
    runs = [Run(n=30, keep=12, seed=4) for _ in range(2)]
    for run in runs:
        run.go(moves=500, patience=10**6, candidates=1, tenure=HOLD)
    assert np.array_equal(runs[0].sign, runs[1].sign)
    assert np.array_equal(runs[0].change, runs[1].change)


def test_nothing_to_swap_is_no_move():
    for keep in (0, 9):
        run = Run(keep=keep)
        assert run.go()
        run.go(moves=20, patience=10, candidates=1, tenure=HOLD)
        assert run.z.sum() == keep
