"""Every registered method on degenerate, extreme and interrupted programs.

Whatever happens there is a feasible point, a bound below the optimum of brute force, no
exception and no warning. Methods come from the registry: a new row is tested here too.
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve import ChannelSelection, Progress, Solution, Stop, solve
from ccsolve.problems.generate import cancelling, k_cluster
from ccsolve.registry import Kind, reason_against, rows_of

TABLE = rows_of(ChannelSelection)
METHODS = [row.name for row in TABLE]
ROWS = {row.name: row for row in TABLE}
SCALES = (1e-12, 1e-6, 1.0, 1e6, 1e12)


def gaussian(n: int, rng: np.random.Generator) -> np.ndarray:
    A = rng.standard_normal((n, n))
    return A + A.T


def duplicated(n: int, rng: np.random.Generator) -> np.ndarray:
    rows = rng.standard_normal((3, n))[:, rng.integers(0, n, n)]
    return rows.T @ rows


def rank_one(n: int, rng: np.random.Generator) -> np.ndarray:
    v = rng.standard_normal(n)
    return np.outer(v, v)


def near_constant(n: int, rng: np.random.Generator) -> np.ndarray:
    return 1.0 + 1e-9 * gaussian(n, rng)


def mixed(n: int, rng: np.random.Generator) -> np.ndarray:
    size = 10.0 ** rng.integers(-6, 7, n)
    return gaussian(n, rng) * np.outer(size, size)


MATRICES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "constant": lambda n, rng: np.full((n, n), rng.choice([-1.0, 1.0, 0.1])),
    "zero": lambda n, rng: np.zeros((n, n)),
    "rank one": rank_one,
    "minus rank one": lambda n, rng: -rank_one(n, rng),
    "duplicated": duplicated,
    "strongly concave": lambda n, rng: gaussian(n, rng) - 1e3 * np.eye(n),
    "strongly convex": lambda n, rng: gaussian(n, rng) + 1e3 * np.eye(n),
    "whole": lambda n, rng: np.rint(3.0 * gaussian(n, rng)),
    "half": lambda n, rng: 0.5 * np.rint(3.0 * gaussian(n, rng)),
    "diagonal": lambda n, rng: np.diag(rng.standard_normal(n)),
    "near constant": near_constant,
    "mixed scales": mixed,
    "gaussian": gaussian,
}
KEEPS = ("none", "zero", "one", "half", "all but one", "all")


def kept(word: str, n: int) -> int | None:
    counts = {"zero": 0, "one": 1, "half": n // 2, "all but one": n - 1, "all": n}
    return counts.get(word)


def form(kind: str, n: int, scale: float, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a dense or a factored form, and a linear term that may vanish."""
    linear = rng.choice([0.0, 1.0, 1e3]) * scale * rng.standard_normal(n)
    if kind in ("whole", "half"):
        linear = scale * rng.integers(-5, 6, n)
    Q = scale * MATRICES[kind](n, rng)
    if rng.random() < 0.7:
        return {"Q": Q, "q": linear}
    factor = math.sqrt(scale) * rng.standard_normal((int(rng.integers(1, 5)), n))
    return {"factor": factor, "diagonal": np.diagonal(Q), "q": linear}


def constraints(keep: int | None, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Draw fixings and a budget that leave at least one point."""
    fixed = np.full(n, -1)
    if rng.random() < 0.3:
        most = n if keep is None else keep
        ones = rng.permutation(n)[: int(rng.integers(0, min(most, 2) + 1))]
        fixed[ones] = 1
        free = np.flatnonzero(fixed < 0)
        spare = free.size if keep is None else n - keep
        fixed[rng.permutation(free)[: int(rng.integers(0, min(spare, 2) + 1))]] = 0
    given: dict[str, Any] = {"keep": keep, "fixed": fixed}
    if rng.random() < 0.4:
        cost = rng.choice([np.ones(n), rng.random(n), rng.integers(0, 3, n)])
        cost = cost * rng.choice(SCALES)
        held, left = cost[fixed == 1].sum(), np.sort(cost[fixed < 0])
        more = 0 if keep is None else keep - int((fixed == 1).sum())
        least = held + left[:more].sum()
        share = float(rng.choice([0.0, 0.2, 0.6]))
        given |= {"cost": cost, "budget": least + share * (cost.sum() - least)}
    return given


def program(kind: str, keep: str, seed: int) -> ChannelSelection:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 13))
    scale = float(rng.choice(SCALES))
    constant = scale * float(rng.choice([0.0, 1.0, -1e6]))
    limits = constraints(kept(keep, n), n, rng)
    return ChannelSelection(**form(kind, n, scale, rng), constant=constant, **limits)


@functools.lru_cache(maxsize=20_000)
def optimum(kind: str, keep: str, seed: int) -> tuple[float, float]:
    """Give the least objective, and what rounding may move it by."""
    problem = program(kind, keep, seed)
    Z = np.array(list(itertools.product((0.0, 1.0), repeat=problem.n)))
    Z = Z[feasible(problem, Z)]
    Q = problem.dense()
    least = float((((Z @ Q) * Z).sum(axis=1) + Z @ problem.q).min()) + problem.constant
    size = np.abs(Q).sum() + np.abs(problem.q).sum() + abs(problem.constant)
    if problem.factor is not None:
        size += float(np.square(np.abs(problem.factor).sum(axis=1)).sum())
    return least, 1e-14 * float(size)


def feasible(problem: ChannelSelection, Z: np.ndarray) -> np.ndarray:
    within = np.ones(len(Z), dtype=bool)
    if problem.keep is not None:
        within &= Z.sum(axis=1) == problem.keep
    if problem.cost is not None:
        within &= Z @ problem.cost <= problem.budget_limit
    if problem.fixed is not None:
        held = problem.fixed >= 0
        within &= (Z[:, held] == problem.fixed[held]).all(axis=1)
    return within


def takes(method: str, problem: ChannelSelection) -> bool:
    return reason_against(ROWS[method], problem) is None


def assert_sound(method: str, kind: str, keep: str, seed: int) -> None:
    """Solve under a work limit, and for every fifth program under 10 ms."""
    problem = program(kind, keep, seed)
    limits: dict[str, Any] = {"time_limit": None, "step_limit": 20}
    if seed % 5 == 0:
        limits = {"time_limit": 0.01}
    found = solve(problem, method, **limits)
    least, rounding = optimum(kind, keep, seed)
    where = f"{method} on {problem!r}, {kind}, keep {keep}, seed {seed}"
    assert_answer(where, problem, found, least, rounding)
    finished = ROWS[method].kind is Kind.EXACT and found.stop in (
        Stop.FINISHED,
        Stop.GAP,
    )
    if finished:
        room = 1e-6 * abs(least) + max(problem.resolution, rounding)
        assert found.objective <= least + room, f"{where}: finished above the optimum"


def assert_answer(
    where: str,
    problem: ChannelSelection,
    found: Solution,
    least: float,
    rounding: float,
) -> None:
    assert problem.violation(found.x) == 0, f"{where}: infeasible"
    assert math.isfinite(found.objective), f"{where}: objective {found.objective}"
    assert not math.isnan(found.bound), f"{where}: the bound is NaN"
    assert found.bound <= least + rounding, (
        f"{where}: bound {found.bound!r} above the optimum {least!r}"
    )


GRID = [
    (kind, keep, seed)
    for seed, (kind, keep) in enumerate(itertools.product(MATRICES, KEEPS))
]


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_matrix_with_every_kind_of_keep(method: str):
    taken = [case for case in GRID if takes(method, program(*case))]
    # Only what is for budgets alone passes over some: two in five have one.
    assert len(taken) >= (0.3 if ROWS[method].needs else 1.0) * len(GRID)
    for case in taken:
        assert_sound(method, *case)


# Programs on which some method once failed.
FOUND = [
    ("strongly concave", "one", 925111689),
    ("duplicated", "half", 905016482),
    ("constant", "none", 1211343876),
    ("mixed scales", "none", 771672463),
    ("mixed scales", "all but one", 1931780797),
]


BREAKERS = [
    (method, case)
    for method in METHODS
    for case in FOUND
    if takes(method, program(*case))
]


@pytest.mark.parametrize(("method", "case"), BREAKERS, ids=str)
def test_programs_that_broke_a_method(method: str, case: tuple[str, str, int]):
    assert_sound(method, *case)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_thousands_of_programs(method: str):
    rng = np.random.default_rng(METHODS.index(method))
    checked = 0
    while checked < 1500:
        kind, keep = rng.choice(list(MATRICES)), rng.choice(KEEPS)
        case = (str(kind), str(keep), int(rng.integers(10_000, 2**31)))
        if takes(method, program(*case)):
            assert_sound(method, *case)
            checked += 1


def budgeted(problem: ChannelSelection) -> ChannelSelection:
    """Add a budget: what methods for budgets alone can take."""
    cost = np.arange(1.0, problem.n + 1)
    return ChannelSelection(
        problem.Q, problem.q, problem.keep, cost=cost, budget=0.6 * cost.sum()
    )


LARGER = {
    "dense": cancelling(160, seed=1),
    "factored": ChannelSelection(
        factor=np.random.default_rng(0).standard_normal((8, 300)), keep=100
    ),
    "zero": ChannelSelection(np.zeros((200, 200)), keep=50),
    "budget": ChannelSelection(
        -np.ones((150, 150)), cost=np.arange(150.0), budget=300.0
    ),
}


@pytest.mark.parametrize(
    "limits",
    [{"time_limit": 0.01}, {"time_limit": 0.5, "step_limit": 15}],
    ids=["10 ms", "15 steps"],
)
@pytest.mark.parametrize("name", LARGER)
@pytest.mark.parametrize("row", TABLE, ids=METHODS)
def test_little_time_on_larger_programs(row: Any, name: str, limits: dict[str, Any]):
    problem = LARGER[name]
    if reason_against(row, problem) is not None:
        n = min(problem.n, row.max_size or problem.n)
        problem = budgeted(k_cluster(n, 0.5, n // 2))
    found = solve(problem, row.name, **limits)
    room = problem.resolution
    assert_answer(f"{row.name} on {name}", problem, found, found.objective, room)
    assert found.stop not in (Stop.INTERRUPTED, Stop.CALLBACK)


@pytest.mark.parametrize("calls", [1, 2, 4])
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_from_the_callback_keeps_the_answer(method: str, calls: int):
    seen: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == calls:
            raise KeyboardInterrupt

    case = next(
        ("gaussian", "half", seed)
        for seed in itertools.count(7)
        if program("gaussian", "half", seed).n > 6
        and takes(method, program("gaussian", "half", seed))
    )
    problem = program(*case)
    found = solve(problem, method, time_limit=None, step_limit=60, callback=interrupt)
    assert_answer(method, problem, found, *optimum(*case))
    assert seen, f"{method} never called back"
    if len(seen) == calls:
        assert found.stop is Stop.INTERRUPTED
        if seen[-1].x is not None:
            assert found.objective <= seen[-1].objective
        assert found.bound >= seen[-1].bound
