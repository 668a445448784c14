import numpy as np
import pytest

from ccsolve.kernels.recombination import (
    CHILDREN,
    COUNT,
    STALE,
    admit,
    begin,
    breed,
    draw_tenure,
    midway,
)
from ccsolve.kernels.swap_search import BEST, USED, VALUE


def _state(seed: int = 3) -> np.ndarray:
    return np.array([seed], dtype=np.uint64)


def _form(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    return rng, A + A.T, rng.standard_normal(n), rng.integers(1, 5, n).astype(float)


def _signs(rng: np.random.Generator, n: int, keep: int) -> np.ndarray:
    sign = np.ones(n)
    sign[rng.permutation(n)[:keep]] = -1
    return sign


def _value(Q: np.ndarray, q: np.ndarray, sign: np.ndarray) -> float:
    z = sign < 0
    return float(z @ Q @ z + q @ z)


def test_a_search_begins_with_true_changes_and_totals():
    rng, Q, q, cost = _form(9)
    sign, change, totals = _signs(rng, 9, 4), np.empty(9), np.empty(3)
    begin(Q, q, cost, sign, change, totals)
    for k in range(9):
        other = sign.copy()
        other[k] *= -1
        expected = _value(Q, q, other) - _value(Q, q, sign)
        assert change[k] == pytest.approx(expected)
    assert totals[VALUE] == totals[BEST] == pytest.approx(_value(Q, q, sign))
    assert totals[USED] == cost[sign < 0].sum()


@pytest.mark.parametrize("swaps_only", [True, False])
@pytest.mark.parametrize("limit", [np.inf, 35.0])
def test_midway_lies_between_and_stays_feasible(swaps_only: bool, limit: float):
    rng, _, _, cost = _form(30)
    state, child = _state(), np.empty(30)
    cost *= limit < np.inf
    tried = 0
    while tried < 40:
        size = 14 if swaps_only else int(rng.integers(5, 15))
        first, second = _signs(rng, 30, 14), _signs(rng, 30, size)
        if max(cost[first < 0].sum(), cost[second < 0].sum()) > limit:
            continue
        tried += 1
        midway(first, second, cost, limit, swaps_only, child, state)
        assert cost[child < 0].sum() <= limit
        assert np.array_equal(child[first == second], first[first == second])
        leave = ((first < 0) & (second > 0)).sum()
        enter = ((first > 0) & (second < 0)).sum()
        if swaps_only:
            assert (child < 0).sum() == 14
        if limit == np.inf:
            assert (child != first).sum() == (leave + 1) // 2 + (enter + 1) // 2


def test_midway_of_a_point_and_itself_is_the_point():
    rng, _, _, cost = _form(12)
    point, child = _signs(rng, 12, 5), np.empty(12)
    midway(point, point, cost, np.inf, True, child, _state())
    assert np.array_equal(child, point)


def test_only_new_points_better_than_the_worst_are_admitted():
    members, values = np.empty((2, 3)), np.full(2, np.inf)
    population = np.zeros(3, dtype=np.int64)
    points = [np.array(p) for p in ([-1.0, 1, 1], [1.0, -1, 1], [1.0, 1, -1])]

    def take(k: int, value: float) -> tuple[int, int]:
        admit(members, values, population, points[k], value, 1e-9)
        return int(population[COUNT]), int(population[STALE])

    assert take(0, 5.0) == (1, 0)
    assert take(0, 5.0) == (1, 1)
    assert take(1, 7.0) == (2, 0)
    assert take(2, 8.0) == (2, 1)
    assert take(2, 6.0) == (2, 0)
    assert sorted(values) == [5.0, 6.0]
    assert np.array_equal(members[values.argmax()], points[2])


def test_tenures_are_short_and_within_their_caps():
    state, held = _state(), np.empty(4, dtype=np.int64)
    drawn = set()
    for _ in range(200):
        draw_tenure(np.array([4, 3, 1]), held, state)
        assert (held >= 0).all()
        assert (held <= [3, 3, 1, 1]).all()
        drawn.add(int(held[0]))
    assert drawn == {1, 2, 3}
    draw_tenure(np.array([0, 9, 9]), held, state)
    assert held[0] == 0


@pytest.mark.parametrize("limit", [np.inf, 60.0])
@pytest.mark.parametrize("swaps_only", [True, False])
def test_breeding_improves_the_population(swaps_only: bool, limit: float):
    rng, Q, q, cost = _form(40, seed=2)
    cost *= limit < np.inf
    members = np.stack([_signs(rng, 40, 10) for _ in range(5)])
    values = np.array([_value(Q, q, sign) for sign in members])
    before = values.copy()
    population = np.array([5, 0, 0])
    off = Q - np.diag(np.diag(Q))
    arguments = (Q, q, cost, limit, swaps_only, 2 * off.max(), members, values)
    tenure = np.array([4, 7, 2])
    breed(*arguments, population, 3, tenure, 50, 1, 1e-9, 10**9, _state())
    assert population[CHILDREN] == 3
    breed(*arguments, population, 10**6, tenure, 50, 1, 1e-9, 10**9, _state())
    assert population[STALE] == 10
    assert values.min() < before.min()
    assert (values <= before).all()
    for sign, value in zip(members, values, strict=True):
        assert value == pytest.approx(_value(Q, q, sign))
        assert cost[sign < 0].sum() <= limit
        if swaps_only:
            assert (sign < 0).sum() == 10


def test_breeding_stops_after_its_work():
    rng, Q, q, cost = _form(20)
    members = np.stack([_signs(rng, 20, 10) for _ in range(5)])
    values = np.array([_value(Q, q, sign) for sign in members])
    population = np.array([5, 0, 0])
    tenure = np.array([4, 2, 2])
    arguments = (Q, q, 0 * cost, np.inf, True, 9.0, members, values, population)
    breed(*arguments, 10**6, tenure, 50, 1, 1e-9, 1, _state())
    assert population[CHILDREN] == 1
