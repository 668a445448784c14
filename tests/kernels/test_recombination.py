import numpy as np
import pytest

from ccsolve.kernels.heat_bath import Bath, empty_heat
from ccsolve.kernels.recombination import (
    CHILDREN,
    COUNT,
    STALE,
    Breeding,
    Population,
    admit,
    between,
    breed,
    draw_tenure,
    midway,
)
from ccsolve.kernels.search_state import Program, empty_walk
from ccsolve.kernels.swap_search import Rule
from ccsolve.problems.checks import frozen


def _state(seed: int = 3) -> np.ndarray:
    return np.array([seed], dtype=np.uint64)


def _program(
    n: int, limit: float = np.inf, keep: int = -1, seed: int = 0
) -> tuple[np.random.Generator, Program]:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    Q, q = A + A.T, rng.standard_normal(n)
    cost = rng.integers(1, 5, n).astype(float) * (limit < np.inf)
    most = 2 * (Q - np.diag(np.diag(Q))).max()
    return rng, Program(frozen(Q), frozen(q), frozen(cost), limit, keep, 1e-9, most)


def _signs(rng: np.random.Generator, n: int, keep: int) -> np.ndarray:
    sign = np.ones(n)
    sign[rng.permutation(n)[:keep]] = -1
    return sign


def _value(program: Program, sign: np.ndarray) -> float:
    z = sign < 0
    return float(z @ program.Q @ z + program.q @ z)


def _population(program: Program, signs: list[np.ndarray]) -> Population:
    values = np.array([_value(program, sign) for sign in signs])
    return Population(np.stack(signs), values, np.array([len(signs), 0, 0]))


def _bath(program: Program) -> Bath:
    noise = np.random.default_rng(0).gumbel(size=9000).astype(np.float32)
    unit = 2.0 ** np.ceil(np.log2(np.abs(program.Q).max()))
    Q = (program.Q / unit).astype(np.float32)
    return Bath(frozen(Q), unit, frozen(noise), noise.max())


@pytest.mark.parametrize("keep", [14, -1])
@pytest.mark.parametrize("limit", [np.inf, 35.0])
def test_midway_lies_between_and_stays_feasible(keep: int, limit: float):
    rng, program = _program(30, limit, keep)
    state, child, cost = _state(), np.empty(30), program.cost
    tried = 0
    while tried < 40:
        size = keep if keep >= 0 else int(rng.integers(5, 15))
        first, second = _signs(rng, 30, 14), _signs(rng, 30, size)
        if max(cost[first < 0].sum(), cost[second < 0].sum()) > limit:
            continue
        tried += 1
        midway(program, first, second, child, state)
        assert cost[child < 0].sum() <= limit
        assert np.array_equal(child[first == second], first[first == second])
        leave = ((first < 0) & (second > 0)).sum()
        enter = ((first > 0) & (second < 0)).sum()
        if keep >= 0:
            assert (child < 0).sum() == 14
        if limit == np.inf:
            assert (child != first).sum() == (leave + 1) // 2 + (enter + 1) // 2


def test_midway_of_a_point_and_itself_is_the_point():
    rng, program = _program(12, keep=5)
    point, child = _signs(rng, 12, 5), np.empty(12)
    midway(program, point, point, child, _state())
    assert np.array_equal(child, point)


def test_a_child_lies_between_two_members():
    rng, program = _program(20, keep=8)
    population = _population(program, [_signs(rng, 20, 8) for _ in range(3)])
    child, state = np.empty(20), _state()
    for _ in range(20):
        between(program, population, child, state)
        inside = [
            np.array_equal(child[a == b], a[a == b]) and not np.array_equal(child, a)
            for a in population.members
            for b in population.members
            if a is not b
        ]
        assert any(inside)


def test_only_new_points_better_than_the_worst_are_admitted():
    members, values = np.empty((2, 3)), np.full(2, np.inf)
    counts = np.zeros(3, dtype=np.int64)
    points = [np.array(p) for p in ([-1.0, 1, 1], [1.0, -1, 1], [1.0, 1, -1])]

    def take(k: int, value: float) -> tuple[int, int]:
        admit(Population(members, values, counts), points[k], value, 1e-9)
        return int(counts[COUNT]), int(counts[STALE])

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
@pytest.mark.parametrize("keep", [10, -1])
def test_breeding_improves_the_population(keep: int, limit: float):
    rng, program = _program(40, limit, keep, seed=2)
    population = _population(program, [_signs(rng, 40, 10) for _ in range(5)])
    members, values, counts = population
    before, bath = values.copy(), _bath(program)
    ladder = np.geomspace(1.0, 0.1, 5)
    breeding = Breeding(ladder, np.array([4, 7, 2]), Rule(50, 1))
    room = (empty_walk(40), empty_heat(40))
    breed(program, bath, population, breeding, *room, 3, _state())
    assert counts[CHILDREN] == 3
    breed(program, bath, population, breeding, *room, 10**6, _state())
    assert counts[STALE] == 10
    assert values.min() < before.min()
    assert (values <= before).all()
    for sign, value in zip(members, values, strict=True):
        assert value == pytest.approx(_value(program, sign))
        assert program.cost[sign < 0].sum() <= limit
        if keep >= 0:
            assert (sign < 0).sum() == 10
