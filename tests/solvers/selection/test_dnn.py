"""The doubly nonnegative methods: order of bounds, proofs, prices, limits."""

import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import cancelling, diversity, k_cluster
from ccsolve.solvers.selection.relaxing import low_rank, semidefinite

METHODS = ("dnn", "dnn_triangles")


def bound(problem: ChannelSelection, method: str, steps: int = 80) -> float:
    found = solve(problem, method, time_limit=None, step_limit=steps, gap=0.0)
    return found.bound


def test_each_relaxation_is_at_least_the_one_before():
    for family in (
        "k_cluster",
        "cancelling",
        "indefinite",
        "budgeted",
        "unconstrained",
    ):
        problem = testing.problem(family, 16, 2)
        bounds = [bound(problem, name) for name in ("sdp", *METHODS)]
        room = 5e-3 * max(abs(bounds[-1]), problem.data_scale)
        assert bounds[0] <= bounds[1] + room, family
        assert bounds[1] <= bounds[2] + room, family
    sparse = k_cluster(30, 0.25, 8, 1)
    assert bound(sparse, "sdp") < bound(sparse, "dnn") <= bound(sparse, "dnn_triangles")


def test_triangles_prove_sparse_clusters_without_a_branch():
    proven = 0
    for seed in range(4):
        found = solve(k_cluster(24, 0.25, 6, seed), "dnn_triangles", time_limit=20.0)
        proven += found.objective == found.bound
    assert proven >= 3


def test_whole_data_raise_the_bound():
    problem = diversity(20, 6, 1)
    for method in METHODS:
        found = solve(problem, method, time_limit=None, step_limit=60)
        assert found.bound == math.floor(found.bound)


def test_complementing_the_program_changes_little_with_triangles():
    problem = cancelling(14, seed=3)
    assert problem.Q is not None
    other = ChannelSelection(
        problem.Q, -2.0 * problem.Q.sum(axis=1), 7, float(problem.Q.sum())
    )
    bounds = [bound(p, "dnn_triangles", 200) for p in (problem, other)]
    assert bounds[0] == pytest.approx(bounds[1], rel=2e-2)


def test_prices_are_tangents_of_the_bound():
    """The relaxation's value is convex in the budget; the price is minus its slope."""
    problem = testing.problem("budgeted", 14, 2)
    assert problem.cost is not None and problem.budget is not None
    found = solve(problem, "dnn", time_limit=None, step_limit=400, tolerance=0.0)
    price = float(found.duals["budget"][0])
    assert price >= 0.0
    for more in (-4.0, -1.0, 1.0, 4.0):
        other = ChannelSelection(
            problem.Q,
            problem.q,
            problem.keep,
            problem.constant,
            cost=problem.cost,
            budget=problem.budget + more,
        )
        value = bound(other, "dnn", 400)
        assert value >= found.bound - price * more - 2e-3 * abs(found.bound)


def test_large_programs_go_to_the_low_rank_descent(monkeypatch: pytest.MonkeyPatch):
    called = []
    relax = low_rank.relax

    def spy(*given, **options):
        called.append(options["nonnegative"])
        return relax(*given, **options)

    monkeypatch.setattr(low_rank, "relax", spy)
    monkeypatch.setattr(semidefinite, "DENSE_CHANNELS", 20)
    for method in METHODS:
        testing.check_answer(method, cancelling(30, seed=0))
    assert called == [True, True]


def test_no_decomposition_is_begun_that_the_time_left_does_not_allow(
    monkeypatch: pytest.MonkeyPatch,
):
    solve(cancelling(4), "dnn")

    def begun(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(semidefinite, "lift", begun)
    found = solve(cancelling(500, seed=0), "dnn", time_limit=0.03)
    assert -math.inf < found.bound <= found.objective


def test_malformed_options_are_refused():
    problem = cancelling(6)
    with pytest.raises(InvalidProblem):
        solve(problem, "dnn", tolerance=-1.0)
    with pytest.raises(InvalidProblem):
        solve(problem, "dnn", roundings=-1)
    with pytest.raises(InvalidProblem):
        solve(problem, "dnn_triangles", cuts=0)


def random_program(rng: np.random.Generator) -> ChannelSelection:
    """Draw a program of any constraints, curvature and scale, n ≤ 12."""
    n = int(rng.integers(2, 13))
    A = rng.standard_normal((n, n))
    Q = [A + A.T, A @ A.T, -A @ A.T, np.rint(3 * (A + A.T)), np.ones((n, n))]
    scale = 10.0 ** float(rng.choice([-12, -3, 0, 0, 0, 6, 12]))
    given: dict = {"keep": int(rng.integers(1, n))} if rng.random() < 0.7 else {}
    if rng.random() < 0.5:
        cost = rng.random(n) ** 3 if rng.random() < 0.5 else rng.integers(0, 4, n)
        cost = 10.0 ** float(rng.choice([-6, 0, 6])) * cost
        least = float(np.sort(cost)[: given.get("keep", 0)].sum())
        given |= {"cost": cost, "budget": least + rng.random() * (cost.sum() - least)}
    q = rng.choice([0.0, 1.0, 1e3]) * rng.standard_normal(n)
    chosen = Q[int(rng.integers(len(Q)))]
    return ChannelSelection(scale * chosen, scale * q, **given)


def check_random(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        problem = random_program(rng)
        method = str(rng.choice(["sdp", *METHODS]))
        testing.check_answer(method, problem, step_limit=30)


def test_bounds_hold_on_random_programs():
    check_random(0, 60)


@pytest.mark.slow
def test_bounds_hold_on_thousands_of_random_programs():
    check_random(1, 3000)


def test_without_time_for_a_dual_there_are_a_swapped_point_and_a_plain_bound(
    monkeypatch,
):
    problem = k_cluster(40, 0.5, 13, 0)
    expected = solve(problem, "convex_relaxation", gap=0.0)
    monkeypatch.setattr(semidefinite, "START_SECONDS", 1e9)
    for method in METHODS:
        found = solve(problem, method, time_limit=60.0, gap=0.0)
        assert found.objective <= solve(problem, "greedy").objective
        assert found.bound == expected.bound
