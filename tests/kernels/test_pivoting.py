"""Sweeps against dense algebra, and settled points against the optimality conditions.

The twins below build the tableau of any basis from its definition.
"""

from typing import NamedTuple

import numpy as np
import pytest

from ccsolve.kernels import pivoting


class Box(NamedTuple):
    """min ½xᵀHx + bᵀx over the box, 1ᵀx = keep (none where -1), costᵀx ≤ limit."""

    H: np.ndarray
    b: np.ndarray
    keep: float
    cost: np.ndarray
    limit: float


def random_box(seed: int, m: int = 7) -> Box:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, m))
    H, b = A @ A.T + 0.1 * np.eye(m), 3.0 * rng.standard_normal(m)
    keep = float(rng.integers(1, m)) if seed % 2 else -1.0
    cost, limit = np.empty(0), 0.0
    if seed % 4 >= 2:
        cost = rng.random(m)
        # Half the cost of the point that spends evenly: it binds, and is feasible.
        least = np.sort(cost)[: max(int(keep), 0)].sum()
        limit = float(least + 0.3 * (cost.sum() - least))
    return Box(H, b, keep, cost, limit)


def bordered(box: Box) -> np.ndarray:
    m = box.b.size
    K = np.zeros((m + 2, m + 2))
    K[:m, :m] = box.H
    K[:m, m] = K[m, :m] = 1.0
    if box.cost.size:
        K[:m, m + 1] = K[m + 1, :m] = box.cost
    return K


def tableau_of(K: np.ndarray, basic: np.ndarray) -> np.ndarray:
    """Give the tableau of a basis from its definition."""
    P, N = np.flatnonzero(basic), np.flatnonzero(~basic)
    T = np.zeros_like(K)
    inverse = np.linalg.inv(K[np.ix_(P, P)])
    T[np.ix_(P, P)] = -inverse
    T[np.ix_(N, P)] = K[np.ix_(N, P)] @ inverse
    T[np.ix_(P, N)] = T[np.ix_(N, P)].T
    T[np.ix_(N, N)] = K[np.ix_(N, N)] - T[np.ix_(N, P)] @ K[np.ix_(P, N)]
    return T


def start(box: Box):
    """Give tableau, basis, point and reduced costs with all variables basic."""
    m = box.b.size
    basic = np.ones(m + 2, dtype=np.bool_)
    basic[m], basic[m + 1] = box.keep >= 0, False
    T = tableau_of(bordered(box), basic)
    P = np.flatnonzero(basic)
    right = np.append(-box.b, box.keep)[: P.size]
    x, reduced = np.zeros(m + 2), np.zeros(m + 2)
    x[P] = -T[np.ix_(P, P)] @ right
    if box.cost.size:
        reduced[m + 1] = box.cost @ x[:m] - box.limit
    return T, basic, x, reduced


def gradient(box: Box, x: np.ndarray) -> np.ndarray:
    """Give the derivative of the Lagrangian, the price's and cardinality's in it."""
    m = box.b.size
    slope = box.H @ x[:m] + box.b + (x[m] if box.keep >= 0 else 0.0)
    return slope + x[m + 1] * box.cost if box.cost.size else slope


def check_consistent(box: Box, T, basic, x, reduced) -> None:
    np.testing.assert_allclose(T, tableau_of(bordered(box), basic), atol=1e-7)
    m = box.b.size
    slope = gradient(box, x)
    np.testing.assert_allclose(slope[basic[:m]], 0.0, atol=1e-7)
    np.testing.assert_allclose(slope[~basic[:m]], reduced[:m][~basic[:m]], atol=1e-7)
    if box.keep >= 0:
        assert x[:m].sum() == pytest.approx(box.keep)
    if box.cost.size:
        spent = box.cost @ x[:m] - box.limit
        assert spent == pytest.approx(reduced[m + 1], abs=1e-7)


def test_sweeps_follow_the_definition_of_the_tableau():
    rng = np.random.default_rng(0)
    for seed in range(8):
        box = random_box(seed)
        K, (T, basic, _, _) = bordered(box), start(box)
        row = np.empty(T.shape[0])
        for k in rng.integers(0, box.b.size, 12):
            before = T.copy()
            pivoting.sweep(T, k, -1.0 if basic[k] else 1.0, row)
            basic[k] = not basic[k]
            if basic[: box.b.size].sum() == 0:
                T, basic[k] = before, not basic[k]
                continue
            np.testing.assert_allclose(T, T.T, atol=1e-9)
            np.testing.assert_allclose(T, tableau_of(K, basic), atol=1e-6)


def test_a_sweep_and_back_is_the_identity():
    for seed in range(8):
        T, basic, _, _ = start(random_box(seed))
        before, row = T.copy(), np.empty(T.shape[0])
        for k in range(T.shape[0] - 2):
            first = -1.0 if basic[k] else 1.0
            pivoting.sweep(T, k, first, row)
            pivoting.sweep(T, k, -first, row)
            np.testing.assert_allclose(T, before, atol=1e-8)


def is_optimal(box: Box, x: np.ndarray) -> bool:
    """Say whether the point satisfies the optimality conditions."""
    slope, z, price = gradient(box, x), x[: box.b.size], x[-1]
    left = box.limit - box.cost @ z if box.cost.size else 0.0
    inside = (z > 1e-6) & (z < 1 - 1e-6)
    return bool(
        z.min() >= -1e-7
        and z.max() <= 1 + 1e-7
        and slope[z < 1e-7].min(initial=0.0) >= -1e-7
        and slope[z > 1 - 1e-7].max(initial=0.0) <= 1e-7
        and np.abs(slope[inside]).max(initial=0.0) <= 1e-6
        and left >= -1e-7
        and price >= -1e-7
        and abs(left * price) <= 1e-6
    )


def test_settled_points_satisfy_the_optimality_conditions():
    settled, count = 0, 300
    for seed in range(count):
        box = random_box(seed, 3 + seed % 9)
        T, basic, x, reduced = start(box)
        m, row = box.b.size, np.empty(x.size)
        has_budget = box.cost.size > 0
        pivots = pivoting.settle(T, basic, x, reduced, has_budget, 1e-18, row)
        check_consistent(box, T, basic, x, reduced)
        settled += is_optimal(box, x)
        # Otherwise a cycle, or a variable that the rows alone hold outside of the box.
        blocked = np.abs(np.diagonal(T)) < pivoting.STUCK
        assert is_optimal(box, x) or pivots == 2 * m + 20 or blocked.any()
    assert settled >= 0.97 * count


def test_a_tolerance_leaves_what_is_worth_less():
    box = random_box(1, 9)
    pivots = []
    for tolerance in (0.0, 1e300):
        T, basic, x, reduced = start(box)
        row = np.empty(x.size)
        pivots.append(
            pivoting.settle(T, basic, x, reduced, False, tolerance, row),
        )
    assert pivots[0] > pivots[1] == 0


def test_settling_ends_on_a_tableau_of_noise():
    rng = np.random.default_rng(3)
    for seed in range(20):
        box = random_box(seed, 8)
        T, basic, x, reduced = start(box)
        T *= 1.0 + rng.standard_normal(T.shape)
        row = np.empty(x.size)
        with np.errstate(all="ignore"):
            pivots = pivoting.settle(T, basic, x, reduced, True, 0.0, row)
        assert 0 <= pivots <= 2 * 8 + 20


@pytest.mark.parametrize("seed", range(8))
def test_tilting_is_another_linear_term(seed: int):
    box = random_box(seed)
    T, basic, x, reduced = start(box)
    row = np.empty(x.size)
    pivoting.settle(T, basic, x, reduced, box.cost.size > 0, 1e-18, row)
    for k in range(box.b.size):
        box.b[k] += 0.1 * (k + 1)
        pivoting.tilt(T, k, 0.1 * (k + 1), basic, x, reduced)
        check_consistent(box, T, basic, x, reduced)


def test_entering_and_leaving_keep_the_conditions():
    box = random_box(3)
    T, basic, x, reduced = start(box)
    row = np.empty(x.size)
    pivoting.leave(T, 2, 1.0, basic, x, reduced, row)
    assert x[2] == 1.0 and not basic[2]
    check_consistent(box, T, basic, x, reduced)
    pivoting.leave(T, 4, 0.0, basic, x, reduced, row)
    pivoting.move(T, 4, 0.25, basic, x, reduced)
    assert x[4] == 0.25
    check_consistent(box, T, basic, x, reduced)
    pivoting.enter(T, 2, basic, x, reduced, row)
    assert basic[2] and reduced[2] == 0.0
    check_consistent(box, T, basic, x, reduced)
