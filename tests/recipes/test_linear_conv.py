"""Primary filters by the program: against enumeration, pivoted QR, chance."""

import itertools

import numpy as np
import pytest
from scipy.linalg import qr

from ccsolve.errors import InvalidProblem
from ccsolve.recipes.linear_conv import (
    linear_filters,
    pivoted_rows,
    primary_count,
    primary_program,
    rank_count,
)


def case(seed: int, n: int = 12, d: int = 27, inner: int = 6):
    """Give filters near a subspace, and moments of fewer samples than columns."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, inner)) @ rng.standard_normal((inner, d))
    rows += 0.3 * rng.standard_normal((n, d))
    x = rng.standard_normal((d - 5, d)) * np.linspace(0.1, 3, d)
    return rows, x.T @ x / len(x)


def root(moment):
    values, vectors = np.linalg.eigh(moment)
    return vectors * np.sqrt(np.maximum(values, 0))


def error_of(rows, moment, primary) -> float:
    """Give the relative whitened error of the best fit, by least squares."""
    white = rows if moment is None else rows @ root(moment)
    fit = np.linalg.lstsq(white[primary].T, white.T, rcond=None)[0]
    return float(np.linalg.norm(white - fit.T @ white[primary]) / np.linalg.norm(white))


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_rows_there_are(seed: int, whitened: bool) -> None:
    rows, moment = case(seed, n=9)
    given = moment if whitened else None
    found = linear_filters(rows, 4, moment=given, method="auto")
    best = min(
        error_of(rows, given, list(some))
        for some in itertools.combinations(range(9), 4)
    )
    assert found.error == pytest.approx(best, rel=1e-6)
    assert found.solution.gap <= 1e-6


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(5))
def test_never_worse_than_pivoted_qr_or_chance(seed: int, ratio: float) -> None:
    rows, moment = case(seed, n=24, inner=10)
    found = linear_filters(rows, ratio, moment=moment)
    white = (rows @ root(moment)).T
    pivots = np.asarray(qr(white, mode="r", pivoting=True)[-1])[: len(found.primary)]
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(24)[: len(found.primary)] for _ in range(20)]
    assert found.error == pytest.approx(error_of(rows, moment, found.primary), rel=1e-6)
    assert found.error <= error_of(rows, moment, pivots) * (1 + 1e-9)
    assert found.error <= min(error_of(rows, moment, some) for some in drawn)


def test_swaps_improve_on_the_pivots() -> None:
    """Over some layers at least one choice is better than without swaps."""
    gains = []
    for seed in range(6):
        rows, moment = case(seed, n=24, inner=10)
        pivots = pivoted_rows(rows @ moment @ rows.T, 12)
        found = linear_filters(rows, 0.5, moment=moment)
        gains.append(error_of(rows, moment, pivots) / found.error)
    assert min(gains) >= 1 - 1e-9 and max(gains) > 1.05


@pytest.mark.parametrize("seed", range(4))
def test_pivots_are_those_of_a_pivoted_qr(seed: int) -> None:
    rows, moment = case(seed, n=10)
    expected = np.asarray(qr((rows @ root(moment)).T, mode="r", pivoting=True)[-1])
    found = pivoted_rows(rows @ moment @ rows.T, 10)
    assert found[:8].tolist() == expected[:8].tolist()
    assert sorted(pivoted_rows(np.zeros((3, 3)), 3)) == [0, 1, 2]


def test_the_objective_is_the_error() -> None:
    rows, moment = case(1)
    found = linear_filters(rows, 0.5, moment=moment)
    size = np.vdot(rows @ moment, rows)
    assert found.solution.objective == pytest.approx(0.5 * found.error**2 * size)


@pytest.mark.parametrize("rank", [1, 3, 0.5, 1.0])
def test_coefficients_of_a_rank_are_the_best_of_that_rank(rank) -> None:
    rows, moment = case(2, n=14)
    found = linear_filters(rows, 7, moment=moment, rank=rank)
    assert found.factors is not None
    left, right = found.factors
    r = rank_count(rank, 7)
    assert left.shape == (7, r) and right.shape == (r, 7)
    np.testing.assert_allclose(left @ right, found.coefficients)
    # The residual of the best fit and the tail of its spectrum are orthogonal.
    white = rows @ root(moment)
    full = np.linalg.lstsq(
        white[found.primary].T, white[found.secondary].T, rcond=None
    )[0].T
    predicted = full @ white[found.primary]
    tail = np.linalg.svd(predicted, compute_uv=False)[r:]
    rest = np.linalg.norm(white[found.secondary] - predicted)
    least = np.hypot(rest, np.linalg.norm(tail)) / np.linalg.norm(white)
    assert found.error == pytest.approx(least, rel=1e-6)


def test_copies_and_dead_filters_cost_nothing() -> None:
    rng = np.random.default_rng(0)
    some = rng.standard_normal((4, 18))
    rows = np.concatenate([some, -2 * some, np.zeros((1, 18)), some[:1]])
    found = linear_filters(rows, 4)
    assert found.error < 1e-6
    assert np.linalg.matrix_rank(rows[found.primary]) == 4
    # More primary filters than the rank: the fit stays exact and finite.
    more = linear_filters(rows, 7)
    assert more.error < 1e-6 and np.isfinite(more.coefficients).all()
    assert np.abs(more.coefficients).max() < 100


def test_weights_of_the_outputs_move_the_choice() -> None:
    rows = np.diag([3.0, 2.0, 1.0])
    assert linear_filters(rows, 1).primary.tolist() == [0]
    worth = np.array([0.0, 0.0, 1.0])
    assert linear_filters(rows, 1, weights=worth).primary.tolist() == [2]


def test_all_filters_primary_is_exact() -> None:
    rows, _ = case(3)
    found = linear_filters(rows, 1.0, rank=1)
    assert found.error == 0 and found.coefficients.shape == (0, len(rows))
    assert (found.order == np.arange(len(rows))).all()


def test_the_order_puts_filters_back() -> None:
    rows, _ = case(4)
    found = linear_filters(rows, 5)
    stacked = np.concatenate([rows[found.primary], rows[found.secondary]])
    np.testing.assert_array_equal(stacked[found.order], rows)


def test_counts() -> None:
    assert primary_count(0.5, 7) == 3 and primary_count(0.01, 7) == 1
    assert primary_count(0.29, 100) == 29 and primary_count(7, 7) == 7
    assert rank_count(1, 5) == 1 and rank_count(0.4, 5) == 2


@pytest.mark.parametrize("ratio", [0, 0.0, 1.5, 8, -1, True, float("nan"), "half"])
def test_ratios_that_are_none_are_refused(ratio) -> None:
    with pytest.raises(InvalidProblem, match="ratio"):
        linear_filters(np.eye(7), ratio)


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="moment"):
        primary_program(np.eye(4), 2, np.eye(3))
    with pytest.raises(InvalidProblem, match="filters"):
        linear_filters(np.full((3, 3), np.nan))
    with pytest.raises(InvalidProblem, match="rank"):
        linear_filters(np.eye(4), 2, rank=3)
