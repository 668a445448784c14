import itertools

import numpy as np
import pytest

from ccsolve.kernels.tree_sweep import (
    Tree,
    lowest_point,
    lowest_total,
    min_marginals,
    over_columns,
    over_rows,
    price,
    upward,
)

PARENTS = {
    "chain": [-1, 0, 1, 2],
    "backward": [1, 2, 3, -1],
    "star": [2, 2, -1, 2],
    "two parts": [-1, 0, -1, 2],
    "alone": [-1],
}


class Forest:
    """Random values of options and tables, and the arrays that kernels read."""

    def __init__(self, parents, seed=0):
        rng = np.random.default_rng(seed)
        self.parents = np.array(parents)
        self.sizes = rng.integers(1, 5, len(parents))
        self.values = [rng.standard_normal(size) for size in self.sizes]
        self.tables = {
            v: rng.standard_normal((self.sizes[min(v, p)], self.sizes[max(v, p)]))
            for v, p in enumerate(parents)
            if p >= 0
        }
        self.own = np.concatenate(self.values)
        self.met = np.concatenate([np.zeros(0), *map(np.ravel, self.tables.values())])
        self.tree = self.arrays()
        self.least = np.empty(len(self.own))
        self.inbox = np.empty(self.tree.inbox_size)
        upward(self.tree, self.own, self.met, self.least, self.inbox)

    def arrays(self):
        layers, order = len(self.parents), []
        while len(order) < layers:
            known = [-1, *order]
            order += [
                v for v in range(layers) if v not in order and self.parents[v] in known
            ]
        table, inbox = np.zeros(layers, dtype=int), np.zeros(layers, dtype=int)
        filled, boxed = 0, 0
        for v, entries in self.tables.items():
            table[v], inbox[v] = filled, boxed
            filled += entries.size
            boxed += self.sizes[self.parents[v]]
        offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        first = np.arange(layers) < self.parents
        return Tree(
            np.array(order), self.parents, table, first, offsets, inbox, int(boxed)
        )

    def value(self, x):
        total = sum(values[k] for values, k in zip(self.values, x, strict=True))
        for v, table in self.tables.items():
            p = self.parents[v]
            total += table[x[min(v, p)], x[max(v, p)]]
        return total

    def points(self):
        return itertools.product(*map(range, self.sizes))


@pytest.fixture(params=PARENTS)
def forest(request):
    return Forest(PARENTS[request.param])


def test_the_least_total_is_that_of_all_points(forest):
    least = min(map(forest.value, forest.points()))
    assert lowest_total(forest.tree, forest.least) == pytest.approx(least)


def test_the_lowest_point_has_the_least_total(forest):
    x = np.zeros(len(forest.sizes), dtype=np.int64)
    lowest_point(forest.tree, forest.least, forest.met, x)
    least = lowest_total(forest.tree, forest.least)
    assert forest.value(x) == pytest.approx(least)


def test_min_marginals_are_the_least_with_each_option(forest):
    through = np.empty(len(forest.own))
    min_marginals(forest.tree, forest.least, forest.inbox, forest.met, through)
    expected = np.full(len(forest.own), np.inf)
    for x in forest.points():
        taken = forest.tree.offsets[:-1] + np.array(x)
        expected[taken] = np.minimum(expected[taken], forest.value(x))
    np.testing.assert_allclose(through, expected)


def test_minima_over_rows_and_columns():
    rng = np.random.default_rng(1)
    table, rows, columns = rng.random((3, 7)), rng.random(3), rng.random(7)
    over, across = np.empty(7), np.empty(3)
    over_rows(rows, table, over)
    over_columns(columns, table, across)
    np.testing.assert_array_equal(over, (rows[:, None] + table).min(axis=0))
    np.testing.assert_array_equal(across, (columns + table).min(axis=1))


@pytest.mark.parametrize("budgets", [1, 3])
def test_prices_are_weighed_sums(budgets):
    rng = np.random.default_rng(2)
    losses, costs, prices = rng.random(5), rng.random((5, budgets)), rng.random(budgets)
    out = np.empty(5)
    price(0.5, losses, prices, costs, out)
    np.testing.assert_allclose(out, 0.5 * losses + costs @ prices)
