import itertools

import numpy as np
import pytest

from ccsolve.kernels.pair_moves import (
    Changes,
    Tables,
    best_exchange,
    changes,
    repair,
    slide,
    spent,
)

EDGES = np.array([[0, 1], [0, 2], [1, 3]])


class Case:
    def __init__(self, budgets=2, part=0.5, seed=0):
        rng = np.random.default_rng(seed)
        self.sizes = np.array([3, 4, 2, 3])
        offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        counts = self.sizes[EDGES].prod(axis=1)
        pairs, options = counts.sum(), self.sizes.sum()
        self.tables = Tables(
            losses=rng.standard_normal(options),
            costs=rng.random((options, budgets)),
            offsets=offsets,
            edges=EDGES,
            pair_losses=rng.standard_normal(pairs),
            pair_costs=rng.random((pairs, budgets)),
            pair_offsets=np.concatenate([[0], np.cumsum(counts)]),
            limits=np.full(budgets, part * 7.0),
        )
        self.layer_of = np.repeat(np.arange(4), self.sizes)
        self.between = np.full((4, 4), -1)
        self.between[EDGES[:, 0], EDGES[:, 1]] = np.arange(3)
        self.between[EDGES[:, 1], EDGES[:, 0]] = np.arange(3)

    def at(self, x):
        t, taken = self.tables, self.tables.offsets[:-1] + x
        met = t.pair_offsets[:-1] + x[EDGES[:, 0]] * self.sizes[EDGES[:, 1]]
        met = met + x[EDGES[:, 1]]
        loss = t.losses[taken].sum() + t.pair_losses[met].sum()
        return loss, t.costs[taken].sum(axis=0) + t.pair_costs[met].sum(axis=0)

    def moved(self, x, *options):
        x = x.copy()
        for option in options:
            layer = self.layer_of[option]
            x[layer] = option - self.tables.offsets[layer]
        return x

    def fits(self, x):
        return bool((self.at(x)[1] <= self.tables.limits).all())

    def changes(self, x):
        empty = np.empty_like(self.tables.losses), np.empty_like(self.tables.costs)
        moves = Changes(*empty)
        changes(self.tables, x, moves)
        return moves

    def points(self):
        return map(np.array, itertools.product(*map(range, self.sizes)))


def test_changes_are_differences_of_points():
    case, x = Case(), np.array([1, 3, 0, 2])
    loss, cost = case.at(x)
    moves = case.changes(x)
    for option in range(len(case.layer_of)):
        there = case.at(case.moved(x, option))
        assert moves.loss[option] == pytest.approx(there[0] - loss)
        np.testing.assert_allclose(moves.cost[option], there[1] - cost, atol=1e-12)
    np.testing.assert_allclose(spent(case.tables, x), cost)


@pytest.mark.parametrize("seed", range(5))
def test_repair_ends_within_the_budgets_or_says_so(seed):
    case = Case(part=0.4, seed=seed)
    x, ones = np.array([2, 3, 1, 2]), np.ones(2)
    assert repair(case.tables, x, ones, case.tables.limits, case.layer_of) == case.fits(
        x
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_slide_ends_where_no_single_move_gains(seed):
    case = Case(seed=seed)
    x = min((x for x in case.points() if case.fits(x)), key=lambda x: case.at(x)[1][0])
    start = case.at(x)[0]
    slide(case.tables, x, case.layer_of, 0.0, case.changes(x))
    assert case.fits(x) and case.at(x)[0] <= start
    near = (case.moved(x, option) for option in range(len(case.layer_of)))
    assert all(case.at(y)[0] >= case.at(x)[0] - 1e-12 for y in near if case.fits(y))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budgets", [0, 1, 3])
def test_the_best_exchange_is_the_best_of_all(budgets, seed):
    case = Case(budgets, part=0.7, seed=seed)
    x = next(x for x in case.points() if case.fits(x))
    taken = case.tables.offsets[:-1] + x
    chosen = np.setdiff1d(np.arange(len(case.layer_of)), taken)
    gain, *options = best_exchange(
        case.tables, x, case.changes(x), case.layer_of, case.between, chosen
    )
    both = (
        case.moved(x, i, j)
        for i, j in itertools.combinations(chosen, 2)
        if case.layer_of[i] != case.layer_of[j]
    )
    losses = [case.at(y)[0] - case.at(x)[0] for y in both if case.fits(y)]
    assert gain == pytest.approx(min([0.0, *losses]))
    if gain < 0:
        assert case.at(case.moved(x, *options))[0] - case.at(x)[0] == pytest.approx(
            gain
        )
    else:
        assert options == [-1, -1]
