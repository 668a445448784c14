"""Bounds of all three relaxations: below the optimum always, and in their order."""

import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.problems.generate import FAMILIES, cancelling, k_cluster, loss_model

RELAXATIONS = ("eigenvalue_bound", "convex_relaxation", "search_and_bound")


def _matrix(n: int, rng: np.random.Generator) -> np.ndarray:
    A = rng.standard_normal((n, n))
    forms = (
        A + A.T,
        A @ A.T,
        -A @ A.T,
        np.outer(A[0], A[0]),
        np.rint(3.0 * (A + A.T)),
        np.zeros((n, n)),
        np.full((n, n), -1.0),
        (A @ A.T)[:, np.arange(n) // 2][np.arange(n) // 2],
    )
    return forms[rng.integers(len(forms))]


def random_program(rng: np.random.Generator) -> ChannelSelection:
    """Draw size, form, scale and constraints."""
    n = int(rng.integers(2, 11))
    scale = 10.0 ** rng.integers(-12, 13)
    data: dict = {"Q": scale * _matrix(n, rng)}
    if rng.random() < 0.5:
        rows = int(rng.integers(1, n + 3))
        data = {
            "factor": np.sqrt(scale) * rng.standard_normal((rows, n)),
            "diagonal": scale * rng.choice([0, 1, 10]) * rng.standard_normal(n),
        }
    if rng.random() < 0.6:
        data["keep"] = int(rng.integers(1, n))
    if rng.random() < 0.5:
        cost = rng.integers(0, 6, n) * rng.choice([1.0, 0.1, 1 / 3])
        least = np.sort(cost)[: data.get("keep", 0)].sum()
        share = rng.choice([0.0, 0.2, 0.5])
        data |= {"cost": cost, "budget": least + share * (cost.sum() - least)}
    q = scale * rng.choice([0, 1, 10]) * rng.standard_normal(n)
    return ChannelSelection(q=q, constant=scale * rng.integers(-1, 2), **data)


def assert_in_order(problem: ChannelSelection) -> None:
    _, optimum = testing.brute_force(problem)
    bounds = {}
    for method in RELAXATIONS:
        found = solve(problem, method, time_limit=None, step_limit=60)
        bounds[method] = found.bound
        assert -math.inf < found.bound <= optimum + 1e-15 * abs(optimum), method
        if problem.cost is not None:
            assert found.duals["budget"].min() >= 0
    room = 1e-7 * problem.n * problem.data_scale
    # The sphere's multiplier is a smaller shift than the eigenvalue, and its ball holds
    # the polytope: the order is a theorem, up to the accuracy of the iterations.
    assert bounds["convex_relaxation"] >= bounds["eigenvalue_bound"] - room


def test_random_programs():
    rng = np.random.default_rng(20)
    for _ in range(300):
        assert_in_order(random_program(rng))


@pytest.mark.slow
def test_many_random_programs():
    rng = np.random.default_rng(21)
    for _ in range(4000):
        assert_in_order(random_program(rng))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_in_order(family: str):
    for seed in range(3):
        problem = testing.problem(family, 10, seed)
        testing.check_bound_order("eigenvalue_bound", "convex_relaxation", problem)


@pytest.mark.parametrize("method", RELAXATIONS)
def test_ten_milliseconds_give_a_point_and_a_bound(method: str):
    programs = (
        cancelling(600, seed=0),
        k_cluster(300, 0.5, 75),
        loss_model(500, 250, 64, factored=True),
        testing.problem("budgeted", 200),
        testing.problem("budget_only", 200),
    )
    for problem in programs:
        found = solve(problem, method, time_limit=0.01)
        assert problem.violation(found.x) == 0
        assert -math.inf < found.bound <= found.objective


def test_whole_data_raise_the_bound_to_a_whole_number():
    problem = k_cluster(60, 0.3, 15)
    for method in RELAXATIONS:
        found = solve(problem, method, time_limit=None, step_limit=60)
        assert found.bound == round(found.bound)


def test_prices_are_the_fall_of_the_bound_per_unit_of_budget():
    for family in ("budgeted", "budget_only", "factored_budget"):
        problem = testing.problem(family, 12, 0)
        assert problem.budget is not None
        more = ChannelSelection(
            problem.Q,
            problem.q,
            problem.keep,
            problem.constant,
            factor=problem.factor,
            diagonal=problem.diagonal,
            cost=problem.cost,
            budget=problem.budget + 1e-3,
        )
        limits = {"time_limit": None, "step_limit": 60, "tolerance": 0.0}
        before = solve(problem, "convex_relaxation", **limits)
        after = solve(more, "convex_relaxation", **limits)
        fall = (before.bound - after.bound) / 1e-3
        price = float(before.duals["budget"][0])
        assert fall == pytest.approx(price, abs=1e-2 * problem.data_scale)


def test_two_dense_eigenvalues_at_their_sizes():
    # A definite Q: the relaxation alone proves the optimum of one channel of two.
    problem = ChannelSelection(np.array([[2.0, 0.0], [0.0, 1.0]]), keep=1)
    for method in RELAXATIONS:
        found = solve(problem, method)
        assert found.objective == 1.0 and found.gap <= 1e-6
