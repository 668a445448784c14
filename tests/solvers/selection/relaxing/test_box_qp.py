"""The continuous relaxation against an interior-point solver, and its conditions."""

import itertools

import cvxpy
import numpy as np
import pytest
import scipy.linalg

from ccsolve import testing
from ccsolve.problems.generate import cancelling, diversity
from ccsolve.solvers.selection.relaxing.box_qp import minimise
from ccsolve.solvers.selection.relaxing.convex_form import (
    best_convex,
    evaluate,
    plain_form,
)

FAMILIES = (
    "k_cluster",
    "loss_model",
    "factored",
    "indefinite",
    "budgeted",
    "budget_only",
    "factored_budget",
    "unconstrained",
    "duplicated",
    "concave",
)


def last(form, steps: int):
    start = np.full(form.n, 0.5)
    return next(itertools.islice(minimise(form, start), steps - 1, None))


def interior_point(form) -> float:
    """Solve the same relaxation by Clarabel, in coordinates of the plane."""
    n, basis, centre = form.n, np.eye(form.n), np.zeros(form.n)
    if form.keep is not None:
        basis, centre = (
            scipy.linalg.null_space(np.ones((1, n))),
            np.full(n, form.keep / n),
        )
    y = cvxpy.Variable(basis.shape[1])
    z = centre + basis @ y
    A = form.matrix if form.factor is None else form.factor.T @ form.factor
    A = A - form.shift * np.eye(n)
    objective = cvxpy.quad_form(y, cvxpy.psd_wrap(basis.T @ A @ basis))
    objective += (2 * A @ centre) @ basis @ y + centre @ A @ centre + form.linear @ z
    constraints: list = [z >= 0, z <= 1]
    constraints += [] if form.cost is None else [form.cost @ z <= form.limit]
    program = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
    program.solve(solver=cvxpy.CLARABEL)
    return np.asarray(program.value).item() + form.constant


@pytest.mark.parametrize("family", FAMILIES)
def test_value_and_bound_meet_at_the_interior_points_optimum(family: str):
    problem = testing.problem(family, 12, 3)
    form = best_convex(plain_form(problem))
    found, scale = last(form, 30), problem.data_scale * problem.n
    assert found.value - found.best.bound <= 1e-7 * scale
    assert found.value == pytest.approx(interior_point(form), abs=2e-6 * scale)


@pytest.mark.parametrize("family", FAMILIES)
def test_iterates_stay_in_the_polytope(family: str):
    problem = testing.problem(family, 30, 1)
    form = best_convex(plain_form(problem))
    for found in itertools.islice(minimise(form, np.full(30, 0.5)), 10):
        z = found.point.z
        assert z.min() >= 0 and z.max() <= 1
        if form.keep is not None:
            assert z.sum() == pytest.approx(form.keep, abs=1e-9)
        if form.cost is not None:
            assert form.cost @ z <= form.limit + 1e-9
        np.testing.assert_allclose(
            found.point.product, evaluate(form, z).product, rtol=1e-12, atol=0
        )


def test_bounds_rise_and_meet_the_value_on_larger_programs():
    for problem in (diversity(120, 30, 0), cancelling(100, seed=1)):
        form = best_convex(plain_form(problem))
        bounds = [
            found.best.bound
            for found in itertools.islice(minimise(form, np.full(form.n, 0.5)), 40)
        ]
        assert bounds == sorted(bounds)
        found = last(form, 40)
        assert found.gap <= 1e-6 * abs(found.value)


def test_nothing_but_a_linear_part():
    problem = testing.problem("zero", 6, 0)
    found = last(best_convex(plain_form(problem)), 2)
    assert found.value == 0 and found.best.bound == 0
