"""Branch and bound: the optimum of every family, bounds below it at every moment."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import Unsupported
from ccsolve.iterate import Limits, Progress
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.generate_reconstruction import FAMILIES, layer
from ccsolve.solution import Stop
from ccsolve.solvers.reconstruction import branch_and_bound
from ccsolve.solvers.reconstruction.branching.tree import plant

SINGULAR = {"few_samples", "duplicated"}
"""Families whose moments are too badly conditioned for a proof."""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_and_proves_the_optimum(
    family: str, seed: int, values: Callable[..., Any]
):
    problem = FAMILIES[family](9, seed)
    limits = Limits(resolution=problem.resolution)
    solution = branch_and_bound.solve(problem, limits)
    best = min(values(problem))
    room = 1e-12 * abs(best) + problem.resolution
    assert solution.bound <= best + room
    assert best - room <= solution.objective <= best + 1e-9 * abs(best) + room
    assert solution.objective == problem.objective(solution.x)
    assert family in SINGULAR or solution.gap <= 1e-6


@pytest.mark.parametrize("group", [1, 3])
def test_without_a_point_the_tree_finds_the_optimum(
    group: int, values: Callable[..., Any]
):
    problem = layer(10, group, 4, 4, 5)
    best = min(values(problem))
    tree = plant(problem, np.inf if group == 1 else best + 1.0)
    growing = True
    while growing:
        growing = tree.grow(1)
        assert tree.bound() <= best
    x = tree.best()
    assert x is not None and problem.objective(x) == pytest.approx(best)
    assert tree.bound() == pytest.approx(best, rel=1e-7)


def test_bounds_hold_while_it_runs(values: Callable[..., Any]):
    problem = layer(11, 2, 4, 5, 2)
    best, seen = min(values(problem)), []

    def note(now: Progress) -> None:
        seen.append(now.bound)

    branch_and_bound.solve(problem, Limits(callback=note))
    assert seen == sorted(seen) and seen[-1] <= best + 1e-12 * abs(best)


def test_duplicates_do_not_multiply_the_work():
    """Every channel twice, with a ridge: ties are cut off, not explored."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 12))[:, np.arange(24) // 2]
    problem = ReconstructionSelection.from_layer(
        x.T @ x, rng.standard_normal((24, 3)), 12, ridge=0.01
    )
    limits = Limits(resolution=problem.resolution, step_limit=3_000)
    assert branch_and_bound.solve(problem, limits).stop is Stop.GAP


def test_the_same_seed_gives_the_same_answer():
    problem = layer(12, 1, 3, 6, decay=2.0)
    runs = [branch_and_bound.solve(problem, Limits(), seed=3) for _ in range(2)]
    assert (runs[0].x == runs[1].x).all() and runs[0].bound == runs[1].bound


def test_limits_leave_point_and_bound():
    problem = layer(30, 1, 6, 15)
    solution = branch_and_bound.solve(problem, Limits(step_limit=40))
    assert solution.stop is Stop.STEP_LIMIT
    assert problem.violation(solution.x) == 0


def test_trees_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(branch_and_bound, "MOST_BYTES", 1e4)
    with pytest.raises(Unsupported, match=r"the tree would take 0.0 GB .*search_and"):
        branch_and_bound.solve(layer(12, 2, 3, 6), Limits())
