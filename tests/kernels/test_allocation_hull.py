import numpy as np
import pytest

from ccsolve.kernels.allocation_hull import edges, fill, hulls, minima, near
from ccsolve.problems.checks import frozen


def tables(seed, whole):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, 12)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    losses, costs = rng.random((2, offsets[-1])) ** 2
    if whole:
        losses, costs = np.floor(6 * losses), np.floor(6 * costs)
    # Kernels are compiled once per type, and read-only is part of the type.
    return frozen(losses), frozen(costs), frozen(offsets)


def hull_of(losses, costs, offsets):
    vertices = np.empty(len(losses), dtype=np.int64)
    starts = np.empty(len(offsets), dtype=np.int64)
    hulls(losses, costs, offsets, vertices, starts)
    return vertices[: starts[-1]], starts


def plain_hull(losses, costs, start, stop):
    """The vertices' (cost, loss) by a sort and a scan; slopes strictly rising to 0."""
    points = sorted(zip(costs[start:stop], losses[start:stop], strict=True))
    chain = []
    for c, v in points:
        if chain and v >= chain[-1][1]:
            continue
        while len(chain) > 1 and (v - chain[-2][1]) * (chain[-1][0] - chain[-2][0]) <= (
            chain[-1][1] - chain[-2][1]
        ) * (c - chain[-2][0]):
            chain.pop()
        chain.append((c, v))
    return chain


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_hulls_are_those_of_a_sort_and_a_scan(seed, whole):
    losses, costs, offsets = tables(seed, whole)
    vertices, starts = hull_of(losses, costs, offsets)
    for layer in range(len(offsets) - 1):
        own = vertices[starts[layer] : starts[layer + 1]]
        expected = plain_hull(losses, costs, offsets[layer], offsets[layer + 1])
        assert list(zip(costs[own], losses[own], strict=True)) == expected


@pytest.mark.parametrize("price", [0.0, 0.3, 2.0])
def test_minima_and_near_options(price):
    losses, costs, offsets = tables(3, False)
    least = np.empty(len(offsets) - 1)
    minima(losses, costs, offsets, price, least)
    values = losses + price * costs
    assert np.array_equal(least, np.minimum.reduceat(values, offsets[:-1]))
    above = values - np.repeat(least, np.diff(offsets))
    base = offsets[1:] - 1
    options, found = np.empty(len(losses), dtype=np.int64), np.empty(len(losses))
    count = near(losses, costs, offsets, price, least, 0.1, base, options, found)
    expected = np.flatnonzero((above <= 0.1) | np.isin(np.arange(len(losses)), base))
    assert options[:count].tolist() == expected.tolist()
    assert np.allclose(found[:count], above[expected])


def test_edges_lead_from_vertex_to_vertex():
    losses, costs, offsets = tables(5, False)
    vertices, starts = hull_of(losses, costs, offsets)
    count = len(vertices) - (len(offsets) - 1)
    layer = np.empty(count, dtype=np.int64)
    cost, price = np.empty(count), np.empty(count)
    edges(losses, costs, vertices, starts, layer, cost, price)
    for at in range(len(offsets) - 1):
        own = vertices[starts[at] : starts[at + 1]]
        assert np.array_equal(cost[layer == at], np.diff(costs[own]))
        falls = -np.diff(losses[own]) / np.diff(costs[own])
        assert np.array_equal(price[layer == at], falls)
        assert (np.diff(falls) < 0).all()


def test_filling_skips_what_does_not_fit_and_what_comes_after_it():
    layer = np.array([0, 1, 0, 1, 2])
    taken = np.zeros(3, dtype=np.int64)
    fill(layer, np.array([9.0, 2.0, 1.0, 1.0, 2.0]), 0, taken, 4.0)
    assert taken.tolist() == [0, 2, 0]
    fill(layer, np.array([9.0, 2.0, 1.0, 1.0, 2.0]), 4, taken, 2.0)
    assert taken.tolist() == [0, 2, 1]
