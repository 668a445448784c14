"""Projection: the optimality conditions, and a twin by brute bisection."""

import numpy as np
import pytest

from ccsolve.kernels.capped_polytope import clip_to_total, project

NONE = np.empty(0)


def twin(v, reach, total, cost, limit):
    """Project by nested bisection in plain numpy."""

    def at(price):
        moved = v - price * reach * cost if cost.size else v
        if total < 0:
            return np.clip(moved, 0, 1)
        low, high = ((moved - 1) / reach).min(), (moved / reach).max()
        for _ in range(80):
            tau = 0.5 * (low + high)
            if np.clip(moved - tau * reach, 0, 1).sum() > total:
                low = tau
            else:
                high = tau
        return np.clip(moved - high * reach, 0, 1)

    z = at(0.0)
    if not cost.size or cost @ z <= limit:
        return z
    low, high = 0.0, 1.0
    while cost @ at(high) > limit + 1e-12:
        high *= 2
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if cost @ at(middle) > limit else (low, middle)
    return at(high)


def programs(count: int):
    rng = np.random.default_rng(4)
    for _ in range(count):
        n = int(rng.integers(1, 12))
        v = rng.standard_normal(n) * rng.choice([0.1, 1.0, 10.0])
        if rng.random() < 0.3:
            v = np.round(v)
        total = float(rng.integers(0, n + 1)) if rng.random() < 0.7 else -1.0
        cost, limit = NONE, 0.0
        if rng.random() < 0.6:
            cost = rng.integers(0, 5, n).astype(float)
            cost[0] += 1
            least = np.sort(cost)[: max(int(total), 0)].sum()
            limit = least + rng.random() * (cost.sum() - least)
        reach = rng.choice([1.0, 1.0, 5.0, 100.0], n)
        yield v, reach, total, cost, limit


def test_it_agrees_with_the_twin():
    for v, reach, total, cost, limit in programs(120):
        expected = twin(v, reach, total, cost, limit)
        for guess in (0.0, 0.7):
            z = np.empty_like(v)
            price = project(v, reach, total, cost, limit, guess, z)
            np.testing.assert_allclose(z, expected, atol=1e-7)
            assert price >= 0
            if total >= 0:
                assert z.sum() == pytest.approx(total, abs=1e-10)
            if cost.size:
                assert cost @ z <= limit + 1e-10


def test_a_point_of_the_polytope_stays():
    z = np.empty(4)
    v, reach = np.array([0.25, 0.75, 1.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0])
    project(v, reach, 2.0, NONE, 0.0, 0.0, z)
    np.testing.assert_allclose(z, [0.25, 0.75, 1.0, 0.0], atol=1e-15)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e3, 1e12])
def test_the_sum_holds_at_every_scale(scale: float):
    v = np.random.default_rng(5).standard_normal(1000) * scale
    z = np.empty(1000)
    for total in (1.0, 17.0, 500.0, 999.0):
        clip_to_total(v, np.ones(1000), total, 0.0, z)
        assert z.min() >= 0 and z.max() <= 1
        assert z.sum() == pytest.approx(total, abs=1e-10 * max(scale, 1))


def test_equal_entries_share():
    z = np.empty(6)
    clip_to_total(np.full(6, 3.0), np.ones(6), 2.0, 100.0, z)
    np.testing.assert_allclose(z, np.full(6, 1 / 3))
