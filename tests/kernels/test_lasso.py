"""Coordinate descent on the lasso: the optimality conditions, and a plain twin."""

import numpy as np
import pytest

from ccsolve.kernels.lasso import descend


def data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2 * n, n))
    return rows.T @ rows / n, rng.standard_normal(n)


def plain(Q: np.ndarray, t: np.ndarray, penalty: float, beta: np.ndarray) -> np.ndarray:
    """One round, written as the formula."""
    beta = beta.copy()
    for i in range(len(t)):
        pull = t[i] - Q[i] @ beta + Q[i, i] * beta[i]
        beta[i] = np.sign(pull) * max(abs(pull) - penalty, 0.0) / Q[i, i]
    return beta


def test_a_round_is_its_plain_twin():
    Q, t = data(7)
    beta = np.linspace(-1, 1, 7)
    expected = plain(Q, t, 0.3, beta)
    assert descend(Q, t, 0.3, beta, np.empty(7), 1, 0.0) == 1
    np.testing.assert_allclose(beta, expected, atol=1e-14)


@pytest.mark.parametrize("penalty", [0.0, 0.2, 0.7])
def test_the_slope_is_the_penalty_where_gates_are_open(penalty: float):
    Q, t = data(9, 1)
    beta, rest = np.zeros(9), np.empty(9)
    assert descend(Q, t, penalty, beta, rest, 10_000, 1e-14) < 10_000
    np.testing.assert_allclose(rest, t - Q @ beta, atol=1e-12)
    is_open = beta != 0
    expected = penalty * np.sign(beta[is_open])
    np.testing.assert_allclose(rest[is_open], expected, atol=1e-12)
    assert (np.abs(rest[~is_open]) <= penalty + 1e-12).all()


def test_channels_of_no_weight_stay_closed():
    Q, beta = np.diag([0.0, 1.0]), np.zeros(2)
    descend(Q, np.array([1.0, 1.0]), 0.1, beta, np.empty(2), 10, 0.0)
    assert beta.tolist() == [0.0, 0.9]
