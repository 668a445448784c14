import itertools

import numpy as np
import pytest

from ccsolve.kernels.edge_messages import Graph, relaxed, share

CYCLE = np.array([[0, 1], [1, 2], [0, 2]])
CHAIN = np.array([[0, 1], [1, 2]])


class Case:
    def __init__(self, edges, seed=0):
        rng = np.random.default_rng(seed)
        self.edges, self.sizes = edges, np.array([3, 2, 4])
        ends = np.cumsum(self.sizes[edges].ravel())
        counts = self.sizes[edges].prod(axis=1)
        self.graph = Graph(
            offsets=np.concatenate([[0], np.cumsum(self.sizes)]),
            edges=edges,
            tables=np.concatenate([[0], np.cumsum(counts)]),
            inbox=(ends - self.sizes[edges].ravel()).reshape(-1, 2),
        )
        self.values = rng.standard_normal(self.sizes.sum())
        self.entries = rng.standard_normal(counts.sum())
        self.shifts = np.zeros(int(ends[-1]))
        self.best = np.zeros(3, dtype=np.int64)
        self.above = np.empty(len(self.values))

    def value(self, x):
        met = (
            self.graph.tables[:-1] + x[self.edges[:, 0]] * self.sizes[self.edges[:, 1]]
        )
        total = self.values[self.graph.offsets[:-1] + x].sum()
        return total + self.entries[met + x[self.edges[:, 1]]].sum()

    def least_with(self):
        least = np.full(len(self.values), np.inf)
        for x in map(np.array, itertools.product(*map(range, self.sizes))):
            taken = self.graph.offsets[:-1] + x
            least[taken] = np.minimum(least[taken], self.value(x))
        return least

    def shared(self, passes):
        share(self.graph, self.values, self.entries, self.shifts, passes)
        return self.bound()

    def bound(self):
        return relaxed(
            self.graph, self.values, self.entries, self.shifts, self.best, self.above
        )[0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("edges", [CYCLE, CHAIN], ids=["cycle", "chain"])
def test_bounds_hold_and_never_fall(edges, seed):
    case = Case(edges, seed)
    least = case.least_with()
    bounds = [case.bound(), *(case.shared(1) for _ in range(5))]
    assert (np.diff(bounds) >= -1e-12).all()
    assert bounds[-1] <= least.min() + 1e-12
    assert (bounds[-1] + case.above <= least + 1e-12).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_chain_is_bounded_by_its_least_sum(seed):
    case = Case(CHAIN, seed)
    assert case.shared(30) == pytest.approx(case.least_with().min())


def test_any_shifts_give_a_bound():
    case = Case(CYCLE)
    case.shifts[:] = np.random.default_rng(1).standard_normal(len(case.shifts))
    assert case.bound() <= case.least_with().min()


def test_without_shifts_the_bound_is_the_sum_of_least_entries():
    case = Case(CYCLE)
    tables = np.split(case.entries, case.graph.tables[1:-1])
    layers = np.split(case.values, case.graph.offsets[1:-1])
    assert case.bound() == pytest.approx(sum(part.min() for part in tables + layers))
