"""Any multipliers prove a bound; what they charge is what they say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.kernels.dual_sweep import cut_value
from ccsolve.problems.generate import FAMILIES
from ccsolve.solvers.selection.relaxing.duals import (
    Dual,
    certified,
    dual_matrix,
    zero_dual,
)
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.plane_shift import shifted

LIFTED = [name for name in FAMILIES if name not in ("keep_none", "keep_all")]


def charged(program: LiftedProgram, dual: Dual, x: np.ndarray) -> float:
    """Give ⟨M, wwᵀ⟩ + offset + multipliers times slacks: ⟨C, wwᵀ⟩ if all is right."""
    w = x if program.keep else np.append(1.0, x)
    X = np.outer(w, w)
    total = float((dual_matrix(program, dual) * X).sum() + (dual.S * X).sum())
    total += 0.0 if program.keep else float(dual.y[0])
    for kind, place, t in zip(*dual.cuts, strict=True):
        value, _ = cut_value(X, kind, place)
        total += t * value
        total -= t if kind in (1, 3) else 0.0
    if program.has_budget:
        left = program.limit - float(program.cost @ np.diagonal(X))
        shares = np.diagonal(X)
        total += left * float(dual.spend @ shares + dual.save[:-1] @ (1 - shares))
        total += left * float(dual.save[-1]) - program.limit * float(dual.save.sum())
    return total


@pytest.mark.parametrize("family", LIFTED)
def test_a_broken_dual_still_proves_a_bound(family: str, reduced, random_dual):
    for seed in range(3):
        problem = reduced(family, 8, seed)
        program = lift(problem)
        _, optimum = testing.brute_force(problem)
        slack = max(problem.resolution, 1e-12 * abs(optimum))
        for broken in range(4):
            dual = random_dual(program, broken)
            found = certified(program, dual)
            assert -math.inf < found.bound <= optimum + slack
            better, estimate = shifted(program, dual, found.matrix)
            found = certified(program, better, estimate)
            assert -math.inf < found.bound <= optimum + slack


@pytest.mark.parametrize("family", LIFTED)
def test_multipliers_charge_for_slack_and_nothing_else(
    family: str, reduced, random_dual
):
    problem = reduced(family, 7, 1)
    program, rng = lift(problem), np.random.default_rng(0)
    dual = random_dual(program, 3)
    for _ in range(5):
        x = np.zeros(problem.n)
        count = program.keep or int(rng.integers(0, problem.n + 1))
        x[rng.choice(problem.n, count, replace=False)] = 1.0
        found = program.in_units(charged(program, dual, x))
        size = problem.n**2 * (problem.data_scale + 2.0**program.exponent * 1e3)
        assert found == pytest.approx(problem.objective(x), abs=1e-11 * size)


def test_wrong_signs_and_nonsense_prove_nothing(random_dual):
    program = lift(testing.problem("budgeted", 8, 0))
    dual = random_dual(program, 0)
    wrong = [
        replace(dual, S=-dual.S),
        replace(dual, spend=-dual.spend),
        replace(dual, save=-dual.save),
        replace(dual, cuts=dual.cuts._replace(t=-dual.cuts.t)),
        replace(dual, y=dual.y * np.nan),
        replace(dual, y=dual.y + np.inf),
    ]
    for broken in wrong:
        assert certified(program, broken).bound == -math.inf


def test_a_wrong_estimate_cannot_raise_a_bound():
    problem = testing.problem("cancelling", 9, 0)
    program = lift(problem)
    dual = zero_dual(program)
    honest = certified(program, dual).bound
    for estimate in (1e3, 0.0, -1e3, honest):
        assert certified(program, dual, estimate).bound <= honest + 1e-9


def test_a_common_part_of_all_entries_has_no_say():
    problem = testing.problem("cancelling", 9, 0)
    assert problem.Q is not None and problem.keep is not None
    lifted_up = ChannelSelection(problem.Q + 100.0, keep=problem.keep)
    bounds = []
    for p in (problem, lifted_up):
        program = lift(p)
        bounds.append(certified(program, zero_dual(program)).bound)
    assert bounds[1] - 100.0 * problem.keep**2 == pytest.approx(bounds[0], abs=1e-8)


def test_the_plane_shift_is_the_best_of_all(random_dual):
    for family in ("cancelling", "k_cluster", "indefinite"):
        program = lift(testing.problem(family, 10, 3))
        dual = random_dual(program, 1)
        found = certified(program, dual)
        best, estimate = shifted(program, dual, found.matrix)
        value = certified(program, best, estimate).value
        for alpha in (-1e3, -1.0, -1e-3, 1e-3, 1.0, 1e3):
            other = certified(program, replace(best, y=best.y + alpha)).value
            assert other <= value + 1e-9 * abs(value)


def test_units_are_powers_of_two_and_exact():
    problem = testing.problem("diversity", 8, 0)
    program = lift(problem)
    assert np.abs(program.C).max() <= 1.0
    np.testing.assert_array_equal(np.ldexp(program.C, program.exponent), problem.Q)
