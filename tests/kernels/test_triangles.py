"""The separation of triangle cuts against plain loops."""

import itertools

import numpy as np
import pytest

from ccsolve.kernels.dual_sweep import ALL, APEX, EITHER, UNDER, cut_value
from ccsolve.kernels.triangles import violated_cuts


def every_cut(n: int, first: int) -> list[tuple[int, tuple[int, int, int]]]:
    places = range(first, n)
    found = []
    for i, j in itertools.permutations(places, 2):
        found.append((UNDER, (i, j, i)))
        if i > j:
            found.append((EITHER, (i, j, i)))
    for i, j, k in itertools.combinations(places, 3):
        found.append((ALL, (k, j, i)))
        for apex, (a, b) in ((i, (j, k)), (j, (i, k)), (k, (i, j))):
            found.append((APEX, (apex, b, a)))
    return found


def key(kind: int, place) -> tuple[int, int, frozenset[int]]:
    apex = int(place[0]) if kind in (APEX, UNDER) else -1
    return int(kind), apex, frozenset(int(p) for p in place)


def point(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    V = rng.random((n, 3))
    X = V @ V.T / 3.0
    return X * 1.3


@pytest.mark.parametrize("first", [0, 1])
def test_every_violated_cut_is_found(first: int):
    for seed in range(4):
        X = point(9, seed)
        expected = {
            key(kind, place): -cut_value(X, kind, np.array(place))[0]
            for kind, place in every_cut(9, first)
        }
        expected = {name: v for name, v in expected.items() if v > 0.01}
        kinds, places, violations = violated_cuts(X, first, 0.01, 10_000)
        found = {
            key(kind, place): v
            for kind, place, v in zip(kinds, places, violations, strict=True)
        }
        assert found.keys() == expected.keys()
        for name, violation in found.items():
            assert violation == pytest.approx(expected[name])


def test_the_most_violated_come_first():
    X = point(12, 7)
    _, _, every = violated_cuts(X, 0, 0.0, 100_000)
    for most in (0, 1, 7, 30):
        kinds, _, violations = violated_cuts(X, 0, 0.0, most)
        assert kinds.size == violations.size == min(most, every.size)
        if most:
            # Up to the width of a class, 1/256.
            least = np.sort(every)[-violations.size]
            assert violations.min() >= least - 1 / 256


def test_a_binary_point_violates_nothing():
    x = np.array([1.0, 0, 1, 1, 0, 0, 1])
    assert violated_cuts(np.outer(x, x), 0, 1e-9, 100)[0].size == 0
