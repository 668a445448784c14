import itertools
import math

import numpy as np
import pytest

from ccsolve.kernels.heat_bath import Bath, cool, empty_heat, warm
from ccsolve.kernels.search_state import (
    BEST,
    USED,
    VALUE,
    Program,
    begin,
    empty_walk,
)
from ccsolve.problems.checks import frozen

CASES = [
    {"keep": 3},
    {"keep": 3, "limit": 9.0},
    {"keep": None},
    {"keep": None, "limit": 9.0},
]


class Run:
    """A program, its bath and a state that cools, beside plain numpy."""

    def __init__(
        self,
        n: int = 7,
        keep: int | None = 3,
        limit: float = np.inf,
        seed: int = 0,
        scale: float = 1.0,
    ):
        rng = np.random.default_rng(seed)
        A = scale * rng.standard_normal((n, n))
        Q, q = A + A.T, scale * rng.standard_normal(n)
        cost = rng.integers(1, 5, n).astype(float) * (limit < np.inf)
        pair_gain = 2 * (Q - np.diag(np.diag(Q))).max() if n > 1 else 0.0
        count = -1 if keep is None else keep
        data = (frozen(Q), frozen(q), frozen(cost))
        self.program = Program(*data, limit, count, 1e-9 * scale, pair_gain)
        unit = 2.0 ** np.ceil(np.log2(np.abs(Q).max()))
        noise = rng.gumbel(size=8192 + n).astype(np.float32)
        single = (Q / unit).astype(np.float32)
        self.bath = Bath(frozen(single), unit, frozen(noise), noise.max())
        walk = empty_walk(n)
        walk.sign[:] = 1.0
        start = np.argsort(cost, kind="stable")[: 2 if keep is None else keep]
        walk.sign[start] = -1.0
        begin(self.program, walk)
        self.heat = empty_heat(n)
        warm(self.bath, walk, self.heat)
        self.state = np.array([seed + 1], dtype=np.uint64)

    def value(self, z):
        return float(z @ self.program.Q @ z + self.program.q @ z)

    @property
    def z(self):
        return self.heat.sign < 0

    def cool(self, *temperatures, updates=None):
        moved = np.zeros(len(temperatures), dtype=np.int64)
        updates = self.z.size if updates is None else updates
        temperatures = np.array(temperatures, dtype=float)
        cool(
            self.program,
            self.bath,
            self.heat,
            temperatures,
            updates,
            moved,
            self.state,
        )
        return moved

    def assert_true_and_feasible(self):
        z, totals, program = self.z, self.heat.totals, self.program
        assert totals[VALUE] == pytest.approx(self.value(z), abs=1e-3)
        assert totals[USED] == pytest.approx(program.cost @ z)
        assert program.cost @ z <= program.limit
        assert totals[BEST] <= totals[VALUE] + 1e-9
        best = self.heat.best_sign < 0
        assert totals[BEST] == pytest.approx(self.value(best), abs=1e-3)
        if program.keep >= 0:
            assert z.sum() == program.keep


@pytest.mark.parametrize("case", CASES)
def test_the_state_stays_true_and_feasible(case):
    run = Run(**case)
    for temperature in (1e9, 1.0, 1e-3, 0.0):
        for _ in range(20):
            run.cool(temperature)
            run.assert_true_and_feasible()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scale", [2.0**-40, 1.0, 2.0**40])
def test_without_temperature_it_descends(case, scale):
    run = Run(seed=3, scale=scale, **case)
    values = [run.heat.totals[VALUE]]
    for _ in range(60):
        run.cool(0.0)
        values.append(run.heat.totals[VALUE])
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]
    assert run.cool(0.0).sum() == 0


@pytest.mark.parametrize("case", CASES)
def test_visits_follow_boltzmann(case):
    n, temperature, sweeps = 4, 2.0, 10_000
    if "limit" in case:
        case = case | {"limit": 7.0}
    run = Run(n=n, seed=5, **(case | ({"keep": 2} if case["keep"] else {})))
    program = run.program
    points = [np.array(z, dtype=bool) for z in itertools.product((0, 1), repeat=n)]
    points = [z for z in points if program.keep < 0 or z.sum() == program.keep]
    points = [z for z in points if program.cost @ z <= program.limit]
    weight = np.array([math.exp(-run.value(z) / temperature) for z in points])
    visits = dict.fromkeys((z.tobytes() for z in points), 0)
    for _ in range(sweeps):
        run.cool(temperature)
        visits[run.z.tobytes()] += 1
    share = np.array([visits[z.tobytes()] for z in points]) / sweeps
    assert share == pytest.approx(weight / weight.sum(), abs=0.03)


def test_moves_are_counted_and_become_rare_in_the_cold():
    run = Run(n=40, keep=15, seed=2)
    moved = run.cool(100.0, 1.0, 0.01, updates=400)
    assert moved[0] > 200
    assert moved[0] > moved[1] > moved[2]


def test_a_full_or_empty_choice_has_no_swap():
    for keep in (0, 7):
        run = Run(keep=keep)
        assert run.cool(1.0, 0.5).sum() == 0
        assert run.z.sum() == keep


def test_one_channel_is_flipped_or_not():
    run = Run(n=1, keep=None)
    for temperature in (5.0, 0.0):
        run.cool(temperature, updates=50)
        run.assert_true_and_feasible()


def test_the_same_state_gives_the_same_run():
    runs = [Run(n=30, keep=12, seed=4) for _ in range(2)]
    for run in runs:
        run.cool(3.0, 1.0, 0.3)
    assert np.array_equal(runs[0].heat.sign, runs[1].heat.sign)
