"""The convex form agrees with the objective, is convex, and its tangents are bounds."""

from fractions import Fraction

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.problems.generate import FAMILIES
from ccsolve.problems.sampling import random_point
from ccsolve.solvers.selection.relaxing.convex_form import (
    best_convex,
    evaluate,
    hastily_convex,
    plain_form,
    tangent,
    value,
    with_shift,
)


def free_programs(n: int = 8):
    for family in FAMILIES:
        problem = testing.problem(family, n, 5)
        if problem.fixed is None and problem.keep not in (0, n):
            yield pytest.param(problem, id=family)


def many_rows(n: int = 6) -> ChannelSelection:
    rng = np.random.default_rng(8)
    return ChannelSelection(
        factor=rng.standard_normal((n + 2, n)),
        diagonal=rng.standard_normal(n),
        q=rng.standard_normal(n),
        keep=3,
        constant=2.0,
    )


@pytest.mark.parametrize("problem", [*free_programs(), many_rows()])
def test_every_shift_gives_the_objective_at_feasible_points(problem):
    rng = np.random.default_rng(0)
    plain = plain_form(problem)
    for form in (plain, best_convex(plain), hastily_convex(plain)):
        for _ in range(10):
            z = random_point(problem, rng).astype(float)
            found = value(form, evaluate(form, z))
            slack = problem.n * problem.resolution
            assert abs(found - problem.objective(z)) <= slack


@pytest.mark.parametrize("problem", [*free_programs(), many_rows()])
def test_it_is_convex_on_the_plane(problem):
    rng = np.random.default_rng(1)
    form = best_convex(plain_form(problem))
    for _ in range(20):
        step = rng.standard_normal(problem.n)
        if problem.keep is not None:
            step -= step.mean()
        curvature = step @ evaluate(form, step).product
        assert curvature >= -1e-11 * problem.data_scale * problem.n


@pytest.mark.parametrize("problem", [*free_programs(), many_rows()])
def test_a_tangent_at_any_point_of_the_plane_is_a_bound(problem):
    rng = np.random.default_rng(2)
    _, optimum = testing.brute_force(problem)
    for form in (best_convex(plain_form(problem)), hastily_convex(plain_form(problem))):
        for size in (0.1, 1.0, 100.0):
            y = 0.5 + size * rng.standard_normal(problem.n)
            if problem.keep is not None:
                y += problem.keep / problem.n - y.mean()
            found = tangent(form, evaluate(form, y))
            assert -np.inf < found.bound <= optimum
            assert found.price >= 0


def test_rounding_is_subtracted_where_the_tangent_is_exact():
    # Nothing but the linear part is left: the tangent is the optimum, less its slack.
    rng = np.random.default_rng(3)
    for n in (2, 10, 500):
        q = rng.standard_normal(n)
        problem = ChannelSelection(np.zeros((n, n)), q, keep=n // 2, constant=1e3)
        form = best_convex(plain_form(problem))
        found = tangent(form, evaluate(form, np.full(n, 0.5))).bound
        optimum = 1e3 + np.sort(q)[: n // 2].sum()
        assert optimum - problem.resolution <= found < optimum


def test_points_off_the_plane_cost_slack_not_truth():
    problem = testing.problem("k_cluster", 10, 0)
    assert problem.keep is not None
    form = best_convex(plain_form(problem))
    _, optimum = testing.brute_force(problem)
    for off in (1e-9, 1e-3, 1.0, 30.0):
        y = np.full(10, problem.keep / 10 + off)
        assert tangent(form, evaluate(form, y)).bound <= optimum


def test_a_factor_of_few_rows_is_never_multiplied_out():
    wide = testing.problem("factored", 9, 0)
    assert wide.rank < wide.n - 1
    form = plain_form(wide)
    assert form.matrix is None and best_convex(form) is form
    assert plain_form(many_rows()).factor is None


def test_shifts_add_up():
    form = plain_form(testing.problem("indefinite", 6, 0))
    twice = with_shift(with_shift(form, -1.5), -4.0)
    np.testing.assert_allclose(twice.linear, with_shift(form, -4.0).linear)
    assert twice.shift == -4.0


def test_a_tangent_at_a_point_never_exceeds_the_exact_value_there():
    # The kept columns of F add up to nothing: all of Qz is rounding.
    rng = np.random.default_rng(4)
    n, kept = 40, 20
    z = np.arange(n) < kept
    for _ in range(40):
        F = rng.standard_normal((n, n))
        F[:, kept - 1] -= F[:, :kept].sum(axis=1)
        Q = F.T @ F
        problem = ChannelSelection(Q, keep=kept)
        exact = sum(Fraction(float(value)) for value in Q[:kept, :kept].flat)
        form = best_convex(plain_form(problem))
        assert tangent(form, evaluate(form, z * 1.0)).bound <= exact
