"""The sweep: after any moves, what it would be if made afresh; prices and exchanges."""

import numpy as np
import pytest

from ccsolve.linalg.sweeping import Sweep, sweep


def data(d: int, r: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2 * d, d)) * rng.uniform(0.5, 2.0, d)
    return rows.T @ rows / d, rng.standard_normal((d, r))


def least(H: np.ndarray, C: np.ndarray, inside: np.ndarray) -> float:
    kept = np.repeat(inside, len(H) // len(inside))
    return -0.5 * float(np.sum(C[kept] * np.linalg.solve(H[kept][:, kept], C[kept])))


def whole(state: Sweep) -> np.ndarray:
    """Give X, its updates made."""
    state._update()
    X = np.tril(state.X) + np.tril(state.X, -1).T
    columns = np.arange(len(X)).reshape(state.own.shape[:2])
    X[columns[:, :, None], columns[:, None, :]] = state.own
    return X


@pytest.mark.parametrize("group", [1, 2, 3])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_sweep_made_afresh_is_what_its_formulas_say(group: int, share: float):
    H, C = data(7 * group)
    inside = np.random.default_rng(1).random(7) < share
    state = sweep(H, C, inside)
    S = np.repeat(inside, group)
    U, X = ~S, whole(state)
    inverse = np.linalg.inv(H[S][:, S])
    np.testing.assert_allclose(X[S][:, S], -inverse, atol=1e-12)
    np.testing.assert_allclose(X[U][:, S], H[U][:, S] @ inverse, atol=1e-12)
    schur = H[U][:, U] - H[U][:, S] @ inverse @ H[S][:, U]
    np.testing.assert_allclose(X[U][:, U], schur, atol=1e-12)
    np.testing.assert_allclose(state.Y[S], inverse @ C[S], atol=1e-12)
    rest = C[U] - H[U][:, S] @ inverse @ C[S]
    np.testing.assert_allclose(state.Y[U], rest, atol=1e-12)


@pytest.mark.parametrize("group", [1, 3])
def test_moves_lead_where_a_fresh_sweep_begins(group: int):
    """More moves than updates wait, so that some are made and some are not."""
    H, C = data(9 * group)
    rng = np.random.default_rng(2)
    state = sweep(H, C, np.ones(9, dtype=bool))
    for _ in range(400 // group):
        state.move(int(rng.integers(9)))
    fresh = sweep(H, C, state.inside)
    np.testing.assert_allclose(state.Y, fresh.Y, atol=1e-10)
    np.testing.assert_allclose(state.own, fresh.own, atol=1e-10)
    np.testing.assert_allclose(whole(state), whole(fresh), atol=1e-10)


@pytest.mark.parametrize("group", [1, 2])
def test_prices_are_what_a_move_changes(group: int):
    H, C = data(8 * group)
    rng = np.random.default_rng(3)
    state = sweep(H, C, np.zeros(8, dtype=bool))
    for _ in range(30):
        block, before = int(rng.integers(8)), least(H, C, state.inside)
        price = state.prices()[block]
        state.move(block)
        change = before - least(H, C, state.inside)
        assert price == pytest.approx(change if state.inside[block] else -change)


@pytest.mark.parametrize("group", [1, 2])
def test_exchanges_are_the_falls_of_all_swaps(group: int):
    H, C = data(8 * group)
    rng = np.random.default_rng(4)
    for _ in range(5):
        inside = np.arange(8) < 4
        rng.shuffle(inside)
        state = sweep(H, C, inside)
        state.move(int(np.flatnonzero(~inside)[0]))
        block = int(np.flatnonzero(state.inside)[-1])
        exchange = state.exchange(block)
        assert (exchange.blocks == np.flatnonzero(~state.inside)).all()
        for other, fall in zip(*exchange, strict=True):
            after = state.inside.copy()
            after[[block, other]] = False, True
            value = least(H, C, state.inside) - least(H, C, after)
            assert fall == pytest.approx(value, abs=1e-10)


def test_the_data_and_the_choice_given_are_left_alone():
    H, C = data(6)
    inside = np.ones(6, dtype=bool)
    copies = H.copy(), C.copy(), inside.copy()
    state = sweep(H, C, inside)
    for block in range(6):
        state.move(block)
    for given, copy in zip((H, C, inside), copies, strict=True):
        assert (given == copy).all()


def test_indefinite_blocks_are_an_error():
    with pytest.raises(np.linalg.LinAlgError):
        sweep(-np.eye(4), np.ones((4, 1)), np.ones(4, dtype=bool))
