import numpy as np
import pytest

from ccsolve.kernels.greedy_choice import Choices, Growth, add_row, greedy_block
from ccsolve.problems.checks import frozen

CASES = [
    {"keep": 4},
    {"keep": 0},
    {"keep": 9},
    {"keep": 4, "limit": 11.0},
    {"keep": -1},
    {"keep": -1, "limit": 11.0},
]


class Choice:
    def __init__(self, form, keep, limit=np.inf, seed=0, n=9):
        rng = np.random.default_rng(seed)
        self.points = np.ascontiguousarray(rng.standard_normal((n, 5)))
        self.diagonal, self.q = rng.standard_normal(n), rng.standard_normal(n)
        self.Q = self.points @ self.points.T + np.diag(self.diagonal)
        empty = np.empty((0, 0))
        given = (self.Q, empty, np.empty(0))
        if form == "factored":
            given = (empty, self.points, self.diagonal)
        # Kernels are compiled once per type, and read-only is part of the type.
        self.form = tuple(map(frozen, given))
        self.cost = frozen(rng.integers(1, 6, n).astype(float) * (limit < np.inf))
        self.keep, self.limit, self.n = keep, limit, n

    def value(self, z):
        return z @ self.Q @ z + self.q @ z

    def run(self, adding, steps=1000):
        kept = np.full(self.n, not adding)
        choices = self.choices(kept)
        by_cost = np.argsort(self.cost, kind="stable")
        growth = Growth(self.cost, by_cost, self.limit, self.keep, adding, kept)
        made = greedy_block(choices, growth, steps)
        return kept, made, choices.gradient

    def choices(self, kept):
        return Choices(
            *self.form,
            own=np.diag(self.Q).copy(),
            cost=self.cost,
            gradient=2 * self.Q @ kept + self.q,
            open=np.ones(self.n, dtype=bool),
            channels=np.arange(self.n),
        )

    def possible(self, z):
        """Say whether the cheapest completion is feasible."""
        if self.keep < 0:
            return True
        missing = self.keep - z.sum()
        if missing >= 0:
            rest = np.sort(self.cost[~z])[:missing].sum()
            return self.cost @ z + rest <= self.limit
        return np.sort(self.cost[z])[: self.keep].sum() <= self.limit

    def twin(self, adding):
        """Take the same decisions by scoring every point anew."""
        z = np.full(self.n, not adding)
        while z.sum() != self.keep:
            over = self.cost @ z > self.limit
            scores = {}
            for k in np.flatnonzero(z != adding):
                other = z.copy()
                other[k] = adding
                score = self.value(other) - self.value(z)
                if self.keep < 0:
                    if adding and (score >= 0 or self.cost @ other > self.limit):
                        continue
                    if not adding and not over and score >= 0:
                        continue
                    if self.limit < np.inf and (adding or over):
                        score /= self.cost[k]
                elif not self.possible(other):
                    continue
                scores[k] = score
            if not scores:
                break
            z[min(scores, key=scores.__getitem__)] = adding
        return z


@pytest.mark.parametrize("adding", [True, False])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", ["dense", "factored"])
def test_decisions_are_those_of_the_twin(form, case, adding):
    for seed in range(5):
        choice = Choice(form, seed=seed, **case)
        kept, made, gradient = choice.run(adding)
        assert np.array_equal(kept, choice.twin(adding))
        assert made == (kept.sum() if adding else choice.n - kept.sum())
        assert gradient == pytest.approx(2 * choice.Q @ kept + choice.q)
        assert choice.cost @ kept <= choice.limit


def test_blocks_of_decisions_join():
    choice = Choice("dense", keep=4)
    first, made, _ = choice.run(True, steps=2)
    assert made == 2
    whole, _, _ = choice.run(True)
    assert (first & whole).sum() == 2


@pytest.mark.parametrize("form", ["dense", "factored"])
def test_rows_are_those_of_the_form(form):
    choice = Choice(form, keep=4)
    choices = choice.choices(np.zeros(9, dtype=bool))
    for j in range(9):
        before = choices.gradient.copy()
        add_row(choices, j, -2.0)
        assert choices.gradient - before == pytest.approx(-2.0 * choice.Q[j])
