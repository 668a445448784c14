"""Exact search against brute force, with constants so small that all of it runs."""

import math
import time
from typing import Any

import numpy as np
import pytest

from ccsolve import ChannelSelection, Progress, Solution, Stop, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import (
    FAMILIES,
    cancelling,
    diversity,
    euclidean_diversity,
    k_cluster,
)
from ccsolve.solvers.selection.branching import exploration, frontier, growth

SHRUNK = {
    "SHORT": 2,
    "PLAIN": 6,
    "PAIRED": 6,
    "LONG_TRIAL": 1,
    "PATIENCE": 1,
}
"""Trees that are given up at once: everything is split into parts and nodes."""


@pytest.fixture
def shrunk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in SHRUNK.items():
        monkeypatch.setattr(exploration, name, value)
    monkeypatch.setattr(exploration._grown, "__defaults__", (1,))
    # A node at a time, or small trees end before anyone asks how large they are.
    monkeypatch.setattr(growth, "PORTION_WORK", 1.0)
    return monkeypatch


def random_matrix(n: int, rng: np.random.Generator) -> np.ndarray:
    A = rng.standard_normal((n, n))
    forms = (
        A + A.T,
        A @ A.T,
        -A @ A.T,
        np.outer(A[0], A[0]),
        np.rint(3.0 * (A + A.T)),
        0.5 * np.rint(2.0 * (A + A.T)),
        np.zeros((n, n)),
        np.full((n, n), -1.0),
        (A @ A.T)[:, np.arange(n) // 2][np.arange(n) // 2],
    )
    return forms[rng.integers(len(forms))]


def random_program(rng: np.random.Generator, largest: int = 12) -> ChannelSelection:
    """Draw size, form, scale and constraints; keep = 1 and n - 1 often."""
    n = int(rng.integers(1, largest + 1))
    scale = 10.0 ** rng.integers(-12, 13)
    data: dict[str, Any] = {"Q": scale * random_matrix(n, rng)}
    if rng.random() < 0.3:
        rows = int(rng.integers(1, n + 3))
        data = {
            "factor": np.sqrt(scale) * rng.standard_normal((rows, n)),
            "diagonal": scale * rng.choice([0, 1]) * rng.standard_normal(n),
        }
    if rng.random() < 0.7:
        data["keep"] = int(
            rng.choice(np.array([1, n - 1, n // 2, int(rng.integers(0, n + 1))]))
        )
    if rng.random() < 0.4:
        cost = rng.choice([rng.random(n), rng.integers(0, 5, n), np.ones(n)])
        cost = cost * 10.0 ** rng.integers(-6, 7)
        least = np.sort(cost)[: data.get("keep", 0)].sum()
        # A share of 0 leaves the cheapest choices alone.
        share = rng.choice([0.0, 0.05, 0.5])
        data |= {"cost": cost, "budget": least + share * (cost.sum() - least)}
    if rng.random() < 0.2 and "keep" not in data and "cost" not in data:
        data["fixed"] = rng.integers(-1, 2, n)
    q = scale * rng.choice([0, 1, 10]) * rng.standard_normal(n)
    return ChannelSelection(q=q, constant=scale * rng.integers(-1, 2), **data)


def room_of(problem: ChannelSelection) -> float:
    """Give what rounding may move a value, of a program and of its reductions."""
    return 10.0 * problem.resolution


def check(problem: ChannelSelection, gap: float, **options: Any) -> Solution:
    """Proven to the gap, by a bound that is below the optimum of brute force."""
    found = solve(problem, "branch_and_bound", time_limit=60.0, gap=gap, **options)
    least, room = testing.brute_force(problem)[1], room_of(problem)
    assert problem.violation(found.x) == 0
    assert found.stop in (Stop.FINISHED, Stop.GAP)
    assert found.bound <= least + 1e-15 * abs(least) + 0.1 * room
    assert found.objective <= least + gap * abs(least) + room
    # What is left of the gap is what was asked for, and rounding.
    assert found.bound >= found.objective - (gap + 1e-9) * abs(least) - room
    check_curves(found)
    return found


def check_curves(found: Solution) -> None:
    objectives = [point.objective for point in found.trace]
    bounds = [point.bound for point in found.trace]
    assert objectives == sorted(objectives, reverse=True)
    assert bounds == sorted(bounds)


def check_many(seed: int, count: int, **options: Any) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        gap = float(rng.choice([0.0, 1e-6, 1e-2]))
        cuts = int(rng.choice([0, 1, 25]))
        check(random_program(rng), gap, cuts=cuts, **options)


def test_optimum_and_bound_are_those_of_brute_force():
    check_many(0, 150)


def test_everything_is_split(shrunk: pytest.MonkeyPatch):
    check_many(1, 100)


def test_parts_are_divided_above_the_limit_of_trees(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(exploration, "TREE_LIMIT", 3)
    check_many(2, 40)


def test_semidefinite_nodes_are_split(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(exploration, "PLAIN", 0)
    check_many(3, 60)


def test_depth_first_where_memory_is_short(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(frontier, "MEMORY", 0)
    check_many(4, 60)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [300, 3])
@pytest.mark.parametrize("plain", [0, 6, 3_000_000])
@pytest.mark.parametrize("memory", [0, 2**29])
def test_thousands_of_programs(
    shrunk: pytest.MonkeyPatch, memory: int, plain: int, limit: int
):
    shrunk.setattr(exploration, "TREE_LIMIT", limit)
    shrunk.setattr(exploration, "PLAIN", plain)
    shrunk.setattr(frontier, "MEMORY", memory)
    check_many(memory % 1000 + plain + limit, 300)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_proven(family: str):
    for seed in range(3):
        problem = testing.problem(family, 14, seed)
        check(problem, 1e-6, seed=seed)


def visited(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Give what a function of the module is called with, from now on."""
    called, inner = [], getattr(exploration, name)

    def spy(*given: Any, **options: Any) -> Any:
        called.append(given)
        return inner(*given, **options)

    monkeypatch.setattr(exploration, name, spy)
    return called


def proven(problem: ChannelSelection) -> float:
    """Give the optimum of a program that is too large to enumerate here."""
    found = solve(problem, "branch_and_bound", time_limit=60.0)
    assert found.gap <= 1e-6
    check_curves(found)
    return found.objective


def test_the_shrunk_constants_reach_every_branch(shrunk: pytest.MonkeyPatch):
    divided, splits = visited(shrunk, "_divide"), visited(shrunk, "split")
    hard = cancelling(20, seed=1)
    values = [proven(hard)]
    shrunk.setattr(exploration, "PLAIN", 0)
    values.append(proven(hard))
    assert splits
    shrunk.setattr(exploration, "DEARER", 1e100)
    shrunk.setattr(exploration, "PLAIN", 6)
    values.append(proven(hard))
    shrunk.setattr(exploration, "TREE_LIMIT", 3)
    values.append(proven(hard))
    assert divided
    assert max(values) == pytest.approx(min(values), rel=1e-6)


def test_depth_first_takes_the_youngest(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(exploration, "PLAIN", 0)
    inner, orders = frontier.Frontier.pop, []
    for memory in (0, 2**29):
        taken: list[float] = []

        def pop(self: frontier.Frontier, taken: list[float] = taken) -> Any:
            node = inner(self)
            taken.append(node.bound)
            return node

        shrunk.setattr(frontier, "MEMORY", memory)
        shrunk.setattr(frontier.Frontier, "pop", pop)
        proven(cancelling(24, seed=2))
        orders.append(taken)
    assert min(len(order) for order in orders) > 3
    # Best first, the bounds of what is taken never fall.
    assert orders[1] == sorted(orders[1])


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_scales(scale: float):
    for family in ("cancelling", "indefinite", "budgeted", "unconstrained"):
        problem = testing.problem(family, 11, 5)
        assert problem.Q is not None
        cost = None if problem.cost is None else scale * problem.cost
        budget = None if problem.budget is None else scale * problem.budget
        scaled = ChannelSelection(
            scale * problem.Q,
            scale * problem.q,
            problem.keep,
            scale * problem.constant,
            cost=cost,
            budget=budget,
        )
        check(scaled, 1e-6)


def test_degenerate_data(shrunk: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    n = 10
    twice = np.repeat(rng.standard_normal((3, n // 2)), 2, axis=1)
    matrices = (
        np.zeros((n, n)),
        np.ones((n, n)),
        -np.ones((n, n)),
        twice.T @ twice,
        -(twice.T @ twice),
        -1e3 * np.eye(n),
    )
    for Q in matrices:
        for keep in (None, 0, 1, 5, n - 1, n):
            check(ChannelSelection(Q, keep=keep), 0.0)


def test_whole_data_close_the_gap():
    for problem in (k_cluster(14, 0.5, 6, 2), diversity(14, 5, 1)):
        found = check(problem, 0.0)
        assert found.bound == found.objective == round(found.objective)


def test_a_budget_that_few_points_meet():
    rng = np.random.default_rng(1)
    for keep in (None, 5):
        for seed in range(6):
            cost = np.round(10.0 * rng.random(12), 1)
            least = float(np.sort(cost)[: keep or 0].sum())
            Q = cancelling(12, seed=seed).Q
            problem = ChannelSelection(
                Q, -np.ones(12), keep, cost=cost, budget=least + 0.3
            )
            check(problem, 1e-6)


def test_the_same_seed_gives_the_same_run():
    for problem in (cancelling(40, seed=1), testing.problem("budgeted", 30, 2)):
        runs = [
            solve(problem, "branch_and_bound", time_limit=None, step_limit=150, seed=3)
            for _ in range(2)
        ]
        first, second = (
            [(p.step, p.objective, p.bound) for p in run.trace] for run in runs
        )
        assert first == second and np.array_equal(runs[0].x, runs[1].x)


def test_the_bound_rises_while_it_searches():
    problem = cancelling(70, seed=1)
    found = solve(problem, "branch_and_bound", time_limit=None, step_limit=700)
    check_curves(found)
    assert found.bound <= found.objective
    bounds = [point.bound for point in found.trace]
    assert len(set(bounds)) > 5


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.3])
def test_a_time_limit_leaves_point_and_bound(seconds: float):
    for problem in (
        cancelling(120, seed=1),
        k_cluster(160, 0.5, 80),
        testing.problem("budget_only", 200),
        euclidean_diversity(350, 40),
    ):
        start = time.perf_counter()
        found = solve(problem, "branch_and_bound", time_limit=seconds)
        assert time.perf_counter() - start < seconds + 5.0
        assert problem.violation(found.x) == 0
        assert -math.inf < found.bound <= found.objective
        check_curves(found)


@pytest.mark.parametrize("calls", [1, 3, 6])
def test_an_interrupt_keeps_what_was_found(calls: int):
    seen: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == calls:
            raise KeyboardInterrupt

    problem = cancelling(60, seed=4)
    found = solve(problem, "branch_and_bound", time_limit=60.0, callback=interrupt)
    assert found.stop is Stop.INTERRUPTED and len(seen) == calls
    assert found.objective <= seen[-1].objective and found.bound >= seen[-1].bound
    assert problem.violation(found.x) == 0 and found.bound <= found.objective


def test_malformed_options_are_refused():
    for cuts in (-1, 2.5, 10**6):
        with pytest.raises(InvalidProblem):
            solve(cancelling(6), "branch_and_bound", cuts=cuts)
