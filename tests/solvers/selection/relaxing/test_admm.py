"""The ascent against conic optimality: feasible X, complementary multipliers, cvxpy."""

from itertools import islice
from typing import Any

import cvxpy
import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.solvers.selection.relaxing.admm import Ascent, Settings, ascend
from ccsolve.solvers.selection.relaxing.duals import NO_CUTS, zero_dual
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.plain_start import plain_start
from ccsolve.solvers.selection.relaxing.separation import renewed_cuts

KINDS = ("k_cluster", "cancelling", "budgeted", "budget_only", "unconstrained")


def reached(program: LiftedProgram, settings: Settings, checks: int) -> Ascent:
    return next(islice(ascend(program, settings), checks, None))


def by_cvxpy(program: LiftedProgram, nonnegative: bool) -> float:
    """Give the relaxation's optimum, written down once more from its definition."""
    N, first, keep = program.C.shape[0], program.first, program.keep
    X = cvxpy.Variable((N, N), symmetric=True)
    x = cvxpy.diag(X)
    rules: list[Any] = [X >> 0]
    if keep:
        rules += [cvxpy.trace(X) == keep, cvxpy.sum(X, axis=1) == keep * x]
    else:
        rules += [X[0, 0] == 1, X[0, 1:] == x[1:]]
    if nonnegative:
        rules.append(X >= 0)
    if program.has_budget:
        spent = X[first:] @ program.cost
        left = program.limit - program.cost @ x
        within = program.limit * x[first:] - spent
        rules += [within >= 0, left - within >= 0]
    model = cvxpy.Problem(cvxpy.Minimize(cvxpy.trace(program.C @ X)), rules)
    model.solve(solver="CLARABEL")
    value: Any = model.value
    return program.in_units(float(value))


# Clarabel finds no interior where a budget multiplies free cardinalities, and says so.
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("family", KINDS)
def test_it_reaches_the_conic_optimum(family: str, nonnegative: bool):
    for seed in (0, 1):
        problem = testing.problem(family, 9, seed)
        program = lift(problem)
        found = reached(program, Settings(nonnegative=nonnegative), 150)
        exact = by_cvxpy(program, nonnegative)
        size = max(abs(exact), problem.data_scale)
        assert found.bound == pytest.approx(exact, abs=2e-3 * size)
        assert found.bound <= exact + 1e-6 * size
        assert found.value == pytest.approx(exact, abs=5e-3 * size)


@pytest.mark.parametrize("family", KINDS)
def test_its_X_satisfies_the_relaxation(family: str):
    problem = testing.problem(family, 12, 4)
    program = lift(problem)
    X, keep = reached(program, Settings(), 150).X, program.keep
    assert np.linalg.eigvalsh(X).min() >= -1e-3
    assert X.min() >= -1e-3
    if keep:
        assert np.trace(X) == pytest.approx(keep, abs=1e-2)
        np.testing.assert_allclose(X.sum(axis=1), keep * np.diagonal(X), atol=1e-2)
    else:
        assert X[0, 0] == pytest.approx(1.0)
        np.testing.assert_allclose(X[0, 1:], np.diagonal(X)[1:], atol=1e-2)


def test_bounds_rise_and_begin_with_the_dual_given():
    program = lift(testing.problem("cancelling", 20, 1))
    first = list(islice(ascend(program, Settings()), 8))
    bounds = [ascent.bound for ascent in first]
    assert bounds == sorted(bounds)
    again = next(iter(ascend(program, Settings(), first[-1].dual)))
    assert again.bound == pytest.approx(bounds[-1], rel=1e-12)


def test_more_inequalities_never_loosen_the_bound():
    for family in (*KINDS, "euclidean", "duplicated", "keep_one", "concave"):
        problem = testing.problem(family, 11, 5)
        program = lift(problem)
        room = 5e-3 * problem.n * max(problem.data_scale, 1e-300)
        plain = reached(program, Settings(nonnegative=False), 60).bound
        double = reached(program, Settings(), 60).bound
        cut = reached(program, Settings(cuts=300), 60).bound
        assert plain <= double + room, family
        assert double <= cut + room, family


def test_triangles_close_what_they_can():
    """An odd cycle: its cut polytope is that of the triangle cuts."""
    n = 5
    ring = np.roll(np.eye(n), 1, axis=1)
    problem = ChannelSelection(0.5 * (ring + ring.T), -np.ones(n))
    program = lift(problem)
    _, optimum = testing.brute_force(problem)
    bare = reached(program, Settings(nonnegative=False), 100).bound
    cut = reached(program, Settings(cuts=200), 100).bound
    assert bare < optimum - 0.05
    assert cut == pytest.approx(optimum, abs=1e-2)


def test_the_start_is_near_the_plain_relaxation():
    for family in ("cancelling", "loss_model", "unconstrained"):
        problem = testing.problem(family, 30, 0)
        program = lift(problem)
        dual, X = plain_start(program)
        start = next(iter(ascend(program, Settings(), dual, X))).bound
        best = reached(program, Settings(nonnegative=False), 100).bound
        cold = next(iter(ascend(program, Settings(), dual, None))).bound
        assert start == cold <= best + 1e-6 * abs(best)
        far = next(iter(ascend(program, Settings(), zero_dual(program)))).bound
        assert best - start < 0.5 * (best - far)


def test_cuts_come_once_and_idle_ones_go():
    program = lift(testing.problem("cancelling", 14, 0))
    ascent = reached(program, Settings(), 5)
    cuts, fresh = renewed_cuts(program, NO_CUTS, ascent.X, 40)
    assert fresh == cuts.t.size <= 10
    held = cuts._replace(t=np.arange(fresh) % 2 * 1.0)
    again, more = renewed_cuts(program, held, ascent.X, 40)
    names = {
        (int(k), *map(int, p)) for k, p in zip(again.kinds, again.places, strict=True)
    }
    assert len(names) == again.t.size == fresh // 2 + more
    assert (again.t[: fresh // 2] > 0).all() and not again.t[fresh // 2 :].any()
