"""Programs drawn at random, and what a proof of their optimum must hold."""

from typing import Any

import numpy as np

from ccsolve import ChannelSelection, Solution, Stop, solve, testing


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


def assert_solved(problem: ChannelSelection, gap: float, **options: Any) -> Solution:
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
        assert_solved(random_program(rng), gap, cuts=cuts, **options)


def proven(problem: ChannelSelection) -> float:
    """Give the optimum of a program that is too large to enumerate here."""
    found = solve(problem, "branch_and_bound", time_limit=60.0)
    assert found.gap <= 1e-6
    check_curves(found)
    return found.objective
