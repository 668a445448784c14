"""The coordinate steps against their definitions: M moves, ‖R‖ falls, rows are met."""

import numpy as np
import pytest

from ccsolve.kernels import dual_sweep
from ccsolve.kernels.dual_sweep import ALL, APEX, EITHER, UNDER
from ccsolve.problems.generate import FAMILIES
from ccsolve.solvers.selection.relaxing.duals import NO_CUTS, Cuts, Dual, dual_matrix
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift

SIGMA = 0.7


def residual(N: int, seed: int) -> np.ndarray:
    A = np.random.default_rng(seed).standard_normal((N, N))
    return A + A.T


def empty_dual(N: int) -> Dual:
    return Dual(np.zeros(N), np.zeros((N, N)), NO_CUTS, np.zeros(N), np.zeros(N + 1))


def some_cuts(first: int) -> Cuts:
    kinds = np.array([APEX, ALL, UNDER, EITHER, APEX, ALL])
    places = first + np.array(
        [[0, 1, 2], [3, 2, 1], [4, 0, 4], [2, 5, 2], [5, 3, 0], [1, 4, 5]]
    )
    return Cuts(kinds, places, np.zeros(kinds.size))


def programs() -> list[LiftedProgram]:
    names = ("indefinite", "budgeted", "budget_only", "unconstrained")
    return [lift(FAMILIES[name](7, 1)) for name in names]


def check_matrix_follows(program: LiftedProgram, dual: Dual, step) -> np.ndarray:
    """R changes by -σ times what M changes by: the target stays where it is."""
    R = residual(program.C.shape[0], 3)
    before, target = dual_matrix(program, dual), R.copy()
    step(R)
    moved = dual_matrix(program, dual) - before
    np.testing.assert_allclose(R, target - SIGMA * moved, atol=1e-12)
    np.testing.assert_array_equal(R, R.T)
    return R


@pytest.mark.parametrize("program", programs())
def test_equalities_are_met(program: LiftedProgram):
    dual = empty_dual(program.C.shape[0])
    R = check_matrix_follows(
        program,
        dual,
        lambda R: dual_sweep.equalities(R, program.keep, SIGMA, dual.y),
    )
    if program.keep:
        np.testing.assert_allclose(R.sum(axis=1), program.keep * np.diagonal(R))
    else:
        assert R[0, 0] == 1.0
        np.testing.assert_allclose(R[0, 1:], np.diagonal(R)[1:], atol=1e-14)


@pytest.mark.parametrize("program", programs())
def test_products_are_met(program: LiftedProgram):
    dual, first = empty_dual(program.C.shape[0]), program.first
    R = check_matrix_follows(
        program, dual, lambda R: dual_sweep.products(R, first, SIGMA, dual.S)
    )
    off = ~np.eye(program.n, dtype=bool)
    assert (R[first:, first:][off] >= 0).all()
    assert (dual.S >= 0).all() and not np.diagonal(dual.S).any()
    # Complementary: a multiplier is held only where its row is tight.
    assert not (R * dual.S).any()


@pytest.mark.parametrize("program", programs())
def test_cuts_follow_their_definition(program: LiftedProgram):
    N, first = program.C.shape[0], program.first
    rng = np.random.default_rng(5)
    for cut in range(6):
        one = some_cuts(first).subset(np.array([cut]))
        dual = Dual(**{**vars(empty_dual(N)), "cuts": one})
        x = rng.integers(0, 2, program.n).astype(np.float64)
        w = x if program.keep else np.append(1.0, x)
        X = np.outer(w, w)
        i, j, k = one.places[0] - first
        expected = {
            APEX: x[i] * (1 - x[j]) * (1 - x[k]) - x[j] * x[k] * (x[i] - 1),
            ALL: (1 - x[i]) * (1 - x[j]) * (1 - x[k]) + x[i] * x[j] * x[k],
            UNDER: x[i] * (1 - x[j]),
            EITHER: (1 - x[i]) * (1 - x[j]),
        }[int(one.kinds[0])]
        value, square = dual_sweep.cut_value(X, one.kinds[0], one.places[0])
        assert value == expected
        G = np.zeros((N, N))
        dual_sweep.add_cut(G, one.kinds[0], one.places[0], 1.0)
        assert square == pytest.approx((G * G).sum())
        constant = 1.0 if one.kinds[0] in (ALL, EITHER) else 0.0
        assert value == pytest.approx((G * X).sum() + constant)
        R = check_matrix_follows(
            program, dual, lambda R, one=one: dual_sweep.cut_steps(R, SIGMA, *one)
        )
        value, _ = dual_sweep.cut_value(R, one.kinds[0], one.places[0])
        assert value >= -1e-12 and one.t[0] >= 0
        assert value * one.t[0] <= 1e-12


@pytest.mark.parametrize("program", programs())
def test_the_budget_rows_move_the_matrix(program: LiftedProgram):
    if not program.has_budget:
        return
    dual = empty_dual(program.C.shape[0])
    first, cost, limit = program.first, program.cost, program.limit
    lengths = [np.inf]
    for _ in range(3):
        R = check_matrix_follows(
            program,
            dual,
            lambda R: dual_sweep.budget_steps(
                R, first, SIGMA, cost, limit, dual.spend, dual.save
            ),
        )
        lengths.append(float(np.linalg.norm(R)))
    assert min(dual.spend.min(), dual.save.min()) >= 0
    assert limit - cost @ np.diagonal(R) >= -1e-12


def test_a_budget_on_channels_without_cost_is_met():
    """As where all that cost something have been decided."""
    R, spend, save = residual(4, 0), np.zeros(4), np.zeros(5)
    before = R.copy()
    dual_sweep.budget_steps(R, 0, SIGMA, np.zeros(4), 0.0, spend, save)
    np.testing.assert_array_equal(R, before)
    dual_sweep.budget_steps(R, 0, SIGMA, np.zeros(4), 2.0, spend, save)
    assert np.isfinite(R).all() and spend.min() >= 0 and save.min() >= 0


def test_sweeps_end_at_the_nearest_matrix():
    """Repeated sweeps make ‖R‖ least: no single multiplier can lower it."""
    program = lift(FAMILIES["budgeted"](7, 2))
    cuts = some_cuts(0)
    dual = Dual(**{**vars(empty_dual(7)), "cuts": cuts})
    R = residual(7, 8)
    for _ in range(3000):
        dual_sweep.equalities(R, program.keep, SIGMA, dual.y)
        dual_sweep.products(R, 0, SIGMA, dual.S)
        dual_sweep.cut_steps(R, SIGMA, *cuts)
        dual_sweep.budget_steps(
            R, 0, SIGMA, program.cost, program.limit, dual.spend, dual.save
        )
    x = R - np.diag(np.diagonal(R))
    assert x.min() >= -1e-6
    np.testing.assert_allclose(R.sum(axis=1), program.keep * np.diagonal(R), atol=1e-5)
    for kind, place, t in zip(*cuts, strict=True):
        value, _ = dual_sweep.cut_value(R, kind, place)
        assert value >= -1e-6 and value * t <= 1e-5
    saved = program.limit * np.diagonal(R) - R @ program.cost
    assert saved.min() >= -1e-5
    assert np.abs(saved * dual.spend).max() <= 1e-4
