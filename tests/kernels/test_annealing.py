import itertools
import math

import numpy as np
import pytest

from ccsolve.kernels.annealing import FactorProgram, FactorWalk, anneal_factored
from ccsolve.kernels.search_state import BEST, USED, VALUE
from ccsolve.problems.checks import frozen

CASES = [
    {"keep": 3},
    {"keep": 3, "limit": 9.0},
    {"keep": None},
    {"keep": None, "limit": 9.0},
]


class Run:
    """One annealing run on ‖Fz‖² + dᵀz² + qᵀz."""

    def __init__(self, n=7, keep=3, limit=np.inf, seed=0):
        rng = np.random.default_rng(seed)
        self.points = rng.standard_normal((n, 4))
        self.d, self.q = rng.standard_normal(n), rng.standard_normal(n)
        self.Q = self.points @ self.points.T + np.diag(self.d)
        self.limit, self.keep = limit, keep
        self.cost = rng.integers(1, 5, n).astype(float) * (limit < np.inf)
        z = np.zeros(n, dtype=bool)
        z[np.argsort(self.cost, kind="stable")[: keep or 2]] = True
        self.order = np.argsort(~z, kind="stable")
        self.kept = np.array([z.sum()])
        self.totals = np.array([self.value(z), self.value(z), self.cost @ z])
        self.image = self.points.T @ z
        self.best_order, self.best_kept = self.order.copy(), self.kept.copy()
        self.state = np.array([seed + 1], dtype=np.uint64)

    def value(self, z):
        return float(z @ self.Q @ z + self.q @ z)

    @property
    def z(self):
        z = np.zeros(self.order.size, dtype=bool)
        z[self.order[: self.kept[0]]] = True
        return z

    def factored(self, temperatures):
        program = FactorProgram(
            points=frozen(self.points),
            linear=frozen(self.d + self.q),
            cost=frozen(self.cost),
            limit=self.limit,
            counted=self.keep is not None,
            tolerance=1e-12,
        )
        walk = FactorWalk(
            self.image,
            self.order,
            self.kept,
            self.totals,
            self.best_order,
            self.best_kept,
        )
        temperatures = np.asarray(temperatures, dtype=float)
        anneal_factored(program, walk, temperatures, self.order.size, self.state)

    def check(self):
        z = self.z
        assert self.totals[VALUE] == pytest.approx(self.value(z), abs=1e-9)
        assert self.totals[USED] == pytest.approx(self.cost @ z)
        assert self.cost @ z <= self.limit
        assert self.totals[BEST] <= self.totals[VALUE] + 1e-9
        if self.keep is not None:
            assert z.sum() == self.keep


@pytest.mark.parametrize("case", CASES)
def test_the_state_stays_true_and_feasible(case):
    run = Run(**case)
    for temperature in (1e9, 1.0, 1e-3, 0.0):
        for _ in range(20):
            run.factored([temperature])
            run.check()
    assert run.image == pytest.approx(run.points.T @ run.z)
    best = np.zeros(run.z.size, dtype=bool)
    best[run.best_order[: run.best_kept[0]]] = True
    assert run.totals[BEST] == pytest.approx(run.value(best))


@pytest.mark.parametrize("case", CASES)
def test_without_temperature_nothing_gets_worse(case):
    run = Run(seed=3, **case)
    values = [run.totals[VALUE]]
    for _ in range(200):
        run.factored([0.0])
        values.append(run.totals[VALUE])
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]


@pytest.mark.parametrize("keep", [2, None])
def test_visits_follow_boltzmann(keep):
    n, temperature, sweeps = 4, 2.0, 10_000
    run = Run(n=n, keep=keep, seed=5)
    points = [np.array(z, dtype=bool) for z in itertools.product((0, 1), repeat=n)]
    points = [z for z in points if keep is None or z.sum() == keep]
    weight = np.array([math.exp(-run.value(z) / temperature) for z in points])
    visits = dict.fromkeys((z.tobytes() for z in points), 0)
    for _ in range(sweeps):
        run.factored([temperature])
        visits[run.z.tobytes()] += 1
    share = np.array([visits[z.tobytes()] for z in points]) / sweeps
    assert share == pytest.approx(weight / weight.sum(), abs=0.03)


def test_a_full_or_empty_choice_has_no_swap():
    for keep in (0, 7):
        run = Run(keep=keep)
        run.kept[0] = keep
        run.cost = np.zeros(7)
        run.factored([1.0, 0.5])
        assert run.kept[0] == keep
