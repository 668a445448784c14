import itertools
import math

import numpy as np
import pytest

from ccsolve.kernels.enumeration import next_swap, score_points, score_subsets
from ccsolve.problems.checks import frozen

# Kernels are compiled once per type, and read-only is part of the type.
NONE = frozen(np.empty(0))


@pytest.mark.parametrize("n", range(2, 9))
def test_swaps_visit_every_subset_once_and_return(n: int):
    for k in range(1, n):
        members, seen = np.arange(k), set()
        for _ in range(math.comb(n, k)):
            before = set(members.tolist())
            seen.add(tuple(members))
            out, into = next_swap(members, n)
            assert before - {out} | {into} == set(members.tolist())
            assert members.tolist() == sorted(set(members.tolist()))
        assert len(seen) == math.comb(n, k)
        assert members.tolist() == list(range(k))


def twin(Q, q, cost, limit, keep):
    """Score every point in plain numpy."""
    best = (math.inf, ())
    for bits in itertools.product((0.0, 1.0), repeat=q.size):
        z = np.array(bits)
        if keep is not None and z.sum() != keep:
            continue
        if cost.size and cost @ z > limit:
            continue
        best = min(best, (float(z @ Q @ z + q @ z), tuple(bits)))
    return best


@pytest.mark.parametrize("keep", [None, 1, 3, 7])
@pytest.mark.parametrize("budget", [False, True])
def test_chunks_find_what_brute_force_finds(keep: int | None, budget: bool):
    rng = np.random.default_rng(6)
    A, q = rng.standard_normal((8, 8)), frozen(rng.standard_normal(8))
    Q = frozen(A + A.T)
    cost = frozen(rng.integers(1, 5, 8).astype(float)) if budget else NONE
    limit = float(np.sort(cost)[: keep or 3].sum() + 2) if budget else math.inf
    best, value = np.zeros(8), math.inf
    if keep is None:
        z = np.zeros(8)
        for start in range(0, 256, 50):
            count = min(50, 256 - start)
            value = score_points(Q, q, cost, limit, z, start, best, value, count)
    else:
        members, left = np.arange(keep), math.comb(8, keep)
        while left:
            count = min(5, left)
            value = score_subsets(Q, q, cost, limit, members, best, value, count)
            left -= count
    expected, point = twin(Q, q, cost, limit, keep)
    assert value == pytest.approx(expected, rel=1e-12)
    assert best.tolist() == list(point)


def test_rounding_does_not_build_up():
    rng = np.random.default_rng(7)
    A = rng.standard_normal((16, 16))
    Q, q = frozen(1e8 * (A + A.T)), frozen(np.zeros(16))
    z, best = np.zeros(16), np.zeros(16)
    value = score_points(Q, q, NONE, math.inf, z, 0, best, math.inf, 2**16)
    assert abs(value - best @ Q @ best) <= 1e-12 * 16 * np.abs(Q).max()
