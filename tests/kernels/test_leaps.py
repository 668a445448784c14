"""Leaps and bounds: the best removal by enumeration, bounds below it all the way."""

import itertools

import numpy as np
import pytest

from ccsolve.kernels.leaps import NEVER, Levels, explore, open_root
from ccsolve.problems.checks import frozen


def data(n: int, g: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give P, E and blocks B with diag(B) ⪯ P⁻¹."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((3 * n * g, n * g))
    rows[:, 1:] += rows[:, :-1]
    P = np.linalg.inv(rows.T @ rows / n)
    V = rng.standard_normal((n * g, 4))
    B = np.tile(0.99 / np.linalg.eigvalsh(P).max() * np.eye(g), (n, 1, 1))
    # Kernels are compiled once per type, and read-only is part of the type.
    return P, V @ V.T, frozen(B)


def levels(many: int, n: int, d: int, record: float = NEVER) -> Levels:
    whole = np.zeros(many, dtype=np.int64)
    return Levels(
        P=np.zeros((many, d, d)),
        E=np.zeros((many, d, d)),
        blocks=np.zeros((many, n), dtype=np.int64),
        limits=np.zeros((many, n)),
        counts=whole.copy(),
        nexts=whole.copy(),
        rises=np.zeros(many),
        removed=whole.copy(),
        best=whole - 1,
        record=np.array([record, 1e-9]),
    )


def rise(P: np.ndarray, E: np.ndarray, g: int, blocks: tuple[int, ...]) -> float:
    R = (np.array(blocks)[:, None] * g + np.arange(g)).ravel()
    return 0.5 * float(np.trace(np.linalg.solve(P[np.ix_(R, R)], E[np.ix_(R, R)])))


@pytest.mark.parametrize("g", [1, 2])
@pytest.mark.parametrize("many", [1, 2, 4, 7, 8])
@pytest.mark.parametrize("budget", [1, 1000])
def test_it_finds_the_best_removal(g: int, many: int, budget: int):
    n = 8
    P, E, B = data(n, g)
    state = levels(many, n, n * g)
    open_root(P, E, B, state)
    optimum = min(rise(P, E, g, c) for c in itertools.combinations(range(n), many))
    bound = -np.inf
    while bound < NEVER:
        bound = explore(B, state, budget)
        assert min(bound, state.record[0]) <= optimum * (1 + 1e-9)
    assert state.record[0] == pytest.approx(optimum)
    assert len(set(state.best)) == many
    assert rise(P, E, g, tuple(state.best)) == pytest.approx(optimum)


def test_a_record_that_is_not_beaten_stays():
    P, E, B = data(8, 1, 3)
    optimum = min(rise(P, E, 1, c) for c in itertools.combinations(range(8), 3))
    state = levels(3, 8, 8, optimum)
    open_root(P, E, B, state)
    assert explore(B, state, 10_000) == NEVER
    assert state.record[0] == optimum and (state.best == -1).all()


def test_the_open_bound_rises_as_nodes_are_visited():
    P, E, B = data(9, 1, 4)
    state = levels(4, 9, 9)
    open_root(P, E, B, state)
    bounds = []
    while not bounds or bounds[-1] < NEVER:
        bounds.append(min(explore(B, state, 1), state.record[0]))
        if bounds[-1] == state.record[0]:
            break
    assert len(bounds) > 3 and (np.diff(bounds) >= -1e-12).all()


def test_nothing_is_visited_without_a_budget():
    P, E, B = data(6, 1, 5)
    state = levels(3, 6, 6)
    open_root(P, E, B, state)
    before = explore(B, state, 0)
    assert before == explore(B, state, 0) and (state.best == -1).all()
    assert 0 < before < NEVER
