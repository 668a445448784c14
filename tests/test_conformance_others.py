"""Every method for reconstructions and allocations on families of programs.

A new row is tested before its author writes a test, as those for ChannelSelection are
in test_conformance; the option trials must name every option of every method.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve import (
    RateAllocation,
    ReconstructionSelection,
    SmoothRateAllocation,
    solve,
    testing,
)
from ccsolve.problems import generate_reconstruction, generate_smooth
from ccsolve.problems.generate_allocation import netlike, pisinger
from ccsolve.registry import Method, reason_against, rows_of


def with_pairs(layers: int, seed: int, budgets: int, cycle: bool) -> RateAllocation:
    """Give a chain of pair costs, closed to a cycle or not."""
    rng = np.random.default_rng(seed)
    edges = [(at, at + 1) for at in range(layers - 1)]
    edges += [(0, layers - 1)] if cycle else []
    return RateAllocation(
        [rng.random(4) for _ in range(layers)],
        [rng.random((4, budgets)) for _ in range(layers)],
        np.full(budgets, 0.9 * layers),
        {edge: rng.random((4, 4, budgets)) for edge in edges},
        pair_losses={edges[0]: rng.random((4, 4))},
    )


ALLOCATIONS: dict[str, Callable[[int], RateAllocation]] = {
    "netlike": lambda seed: netlike(6, 9, 1, seed),
    "netlike, three": lambda seed: netlike(5, 9, 3, seed),
    "strong": lambda seed: pisinger("strong", 5, 8, 1, seed),
    "weak, two": lambda seed: pisinger("weak", 5, 8, 2, seed),
    "chain": lambda seed: with_pairs(6, seed, 1, cycle=False),
    "cycle, two": lambda seed: with_pairs(5, seed, 2, cycle=True),
}
PROGRAMS: dict[str, Callable[[int], Any]] = {
    **ALLOCATIONS,
    **{
        f"reconstruction, {name}": lambda seed, make=make: make(7, seed)
        for name, make in generate_reconstruction.FAMILIES.items()
    },
    **{
        f"smooth, {name}": lambda seed, make=make: make(5, seed)
        for name, make in generate_smooth.FAMILIES.items()
    },
}
SINGULAR = ("reconstruction, few_samples", "reconstruction, duplicated")
"""Moments that rounding makes worse than regular: bounds tell it, and stay apart."""

KINDS = (RateAllocation, ReconstructionSelection, SmoothRateAllocation)
ROWS = [row for kind in KINDS for row in rows_of(kind)]
PAIRS = [
    (row, family)
    for row in ROWS
    for family, make in PROGRAMS.items()
    if reason_against(row, make(0)) is None
]
by_name = pytest.mark.parametrize(
    ("row", "family"), PAIRS, ids=[f"{row.name}-{family}" for row, family in PAIRS]
)


@by_name
def test_answers_hold(row: Method, family: str):
    for seed in range(3):
        testing.check_answer(row.name, PROGRAMS[family](seed))


@by_name
def test_limits_seeds_and_callbacks_hold(row: Method, family: str):
    testing.check_method(row.name, PROGRAMS[family](3))


@pytest.mark.slow
@by_name
def test_answers_hold_on_many_programs(row: Method, family: str):
    for seed in range(4, 24):
        testing.check_answer(row.name, PROGRAMS[family](seed))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_method_is_tried(row: Method):
    assert any(tried is row for tried, _ in PAIRS)


@pytest.mark.parametrize("family", PROGRAMS)
def test_auto_is_exact_on_small_programs(family: str):
    problem = PROGRAMS[family](0)
    solution = solve(problem, time_limit=20.0, gap=1e-9)
    if family not in SINGULAR:
        scale = problem.data_scale
        assert solution.gap <= 1e-6 or solution.absolute_gap <= 1e-9 * scale
    if testing.enumerable(problem):
        assert solution.objective == pytest.approx(testing.brute_force(problem)[1])
