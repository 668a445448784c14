"""Every method of LowRankFit on every family that it takes, and against svd."""

from typing import Any

import numpy as np
import pytest

from ccsolve import LowRankFit, solve, testing
from ccsolve.problems.generate_low_rank import FAMILIES, exact
from ccsolve.problems.tensor_formats import dense
from ccsolve.registry import Method, reason_against, rows_of

ROWS = rows_of(LowRankFit)
PAIRS = [
    (row, family)
    for row in ROWS
    for family, make in FAMILIES.items()
    if reason_against(row, make(0)) is None
]
by_name = pytest.mark.parametrize(
    ("row", "family"), PAIRS, ids=[f"{row.name}-{family}" for row, family in PAIRS]
)


@by_name
def test_answers_hold(row: Method, family: str):
    for seed in range(2):
        solution = testing.check_answer(row.name, FAMILIES[family](seed))
        assert isinstance(solution.x, list)


@by_name
def test_limits_seeds_and_callbacks_hold(row: Method, family: str):
    testing.check_method(row.name, FAMILIES[family](3))


@pytest.mark.slow
@by_name
def test_answers_hold_on_many_programs(row: Method, family: str):
    for seed in range(4, 16):
        testing.check_answer(row.name, FAMILIES[family](seed))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_method_is_tried(row: Method):
    assert any(tried is row for tried, _ in PAIRS)


SVDS = [family for family in FAMILIES if family.startswith("svd")]


@pytest.mark.parametrize("family", SVDS)
def test_auto_proves_the_best_matrix(family: str):
    for seed in range(4):
        problem = FAMILIES[family](seed)
        solution = solve(problem, gap=1e-9)
        scale = problem.data_scale
        assert solution.gap <= 1e-6 or solution.absolute_gap <= 1e-9 * scale
        rows, columns = problem.modes
        left = _root(problem, 0) if len(problem.blocks) == 2 else np.eye(rows)
        right = _root(problem, 1) if problem.blocks else np.eye(columns)
        seen = left @ problem.tensor @ right
        losses = _tails(np.linalg.svd(seen, compute_uv=False))
        best = _best_of_matrix(problem, losses)
        slack = 1e-5 if problem.tensor.dtype == np.float32 else 1e-9
        assert solution.objective == pytest.approx(best, rel=slack, abs=1e-12 * scale)


def _root(problem: LowRankFit, mode: int) -> np.ndarray:
    block = next(block for block in problem.blocks if block.start == mode)
    values, vectors = np.linalg.eigh(block.matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _tails(values: np.ndarray) -> np.ndarray:
    return 0.5 * np.array([(values[r:] ** 2).sum() for r in range(len(values) + 1)])


def _best_of_matrix(problem: LowRankFit, losses: np.ndarray) -> float:
    ranks = range(1, len(losses))
    if problem.ranks is not None:
        return float(losses[problem.ranks[0]])
    if problem.tolerance is None:
        fits = [r for r in ranks if problem.cost_of((r,)) <= problem.limit]
        return float(losses[max(fits)])
    room = problem.tolerance**2 * losses[0]
    return problem.cost_of((next(r for r in ranks if losses[r] <= room),))


@pytest.mark.parametrize("format", ["tucker", "tt", "tr"])
@pytest.mark.parametrize("seed", range(3))
def test_two_modes_are_a_matrix(format: str, seed: int):
    """So are trains and Tucker tensors of them; a ring is one of rank r_0·r_1."""
    tensor = FAMILIES["svd"](seed).tensor
    ranks: Any = {"tucker": (2, 2), "tt": (2,), "tr": (1, 2)}[format]
    matrix = solve(LowRankFit(tensor, "svd", ranks=2))
    found = solve(LowRankFit(tensor, format, ranks=ranks))
    assert found.gap <= 1e-6
    assert found.objective == pytest.approx(matrix.objective)


@pytest.mark.parametrize("family", FAMILIES)
def test_auto_gives_what_was_asked(family: str):
    problem = FAMILIES[family](0)
    solution = solve(problem)
    assert problem.violation(solution.x) <= 1e-9
    assert solution.objective <= problem.natural_scale()
    assert solution.bound >= 0
    for factor in solution.x:
        assert factor.dtype == problem.tensor.dtype
        assert factor.flags.c_contiguous


@pytest.mark.parametrize("format", ["tucker", "tt"])
def test_tensors_of_exactly_low_rank_are_found(format: str):
    tensor = exact(format, (4, 3, 5), (2, 2, 2) if format == "tucker" else (2, 2))
    solution = solve(LowRankFit(tensor, format, ranks=2))
    Z = dense(format, solution.x, tensor.shape)
    assert np.abs(Z - tensor).max() <= 1e-9 * np.abs(tensor).max()
