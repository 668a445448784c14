import itertools

import numpy as np
import pytest
import scipy.optimize

from ccsolve.linalg.linear_minimum import linear_minimum


def points(n: int, keep: int | None) -> np.ndarray:
    every = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    return every if keep is None else every[every.sum(axis=1) == keep]


@pytest.mark.parametrize("keep", [None, 1, 3, 6])
def test_without_a_budget_it_is_the_minimum(keep: int | None):
    rng = np.random.default_rng(0)
    for _ in range(20):
        g = rng.standard_normal(7) * 10.0 ** rng.integers(-9, 9)
        found = linear_minimum(g, keep, None, np.inf)
        exact = (points(7, keep) @ g).min()
        assert found.value <= exact
        assert found.value == pytest.approx(exact, rel=1e-13, abs=1e-13 * abs(g).max())
        assert found.price == 0


@pytest.mark.parametrize("keep", [None, 1, 3, 6])
def test_with_a_budget_it_is_the_linear_relaxation(keep: int | None):
    rng = np.random.default_rng(1)
    for trial in range(40):
        g = rng.standard_normal(7) if trial % 2 else rng.integers(-3, 3, 7) * 1.0
        cost = rng.integers(0, 6, 7).astype(float)
        least = np.sort(cost)[: keep or 0].sum()
        limit = least + rng.choice([0.0, 0.3, 0.6]) * (cost.sum() - least)
        found = linear_minimum(g, keep, cost, limit)
        feasible = points(7, keep)
        feasible = feasible[feasible @ cost <= limit]
        assert found.value <= (feasible @ g).min()
        assert found.price >= 0
        assert found.value == pytest.approx(_relaxed(g, keep, cost, limit), abs=1e-9)


def _relaxed(g, keep, cost, limit) -> float:
    equality = {} if keep is None else {"A_eq": np.ones((1, 7)), "b_eq": [keep]}
    result = scipy.optimize.linprog(
        g, A_ub=cost[None], b_ub=[limit], bounds=(0, 1), **equality
    )
    return float(result.fun)


def test_the_price_is_the_fall_per_unit_of_budget():
    g, cost = np.array([-6.0, -2.0, -1.0]), np.array([3.0, 2.0, 4.0])
    assert linear_minimum(g, None, cost, 4.0).price == pytest.approx(1.0)
    assert linear_minimum(g, None, cost, 100.0).price == 0
    assert linear_minimum(np.zeros(3), 2, cost, 5.0).value == 0
