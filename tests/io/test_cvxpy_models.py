"""Programs in cvxpy: convex, the same at every binary point, and back."""

import itertools

import cvxpy as cp
import numpy as np
import pytest

import ccsolve
from ccsolve import ChannelSelection, testing
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.generate import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_objective_and_constraints_agree_at_every_point(family: str):
    problem = testing.problem(family, 6, 1)
    model, point_of = ccsolve.to_cvxpy(problem)
    variable = model.var_dict["z"]
    assert model.is_dcp() and model.is_mixed_integer()
    for bits in itertools.product((0.0, 1.0), repeat=problem.n):
        z = np.array(bits)
        variable.value = z
        expected = pytest.approx(problem.objective(z), rel=1e-9, abs=1e-9)
        assert model.objective.value == expected
        fits = all(bool(np.all(row.violation() <= 1e-9)) for row in model.constraints)
        assert fits == (problem.violation(z) == 0)
        np.testing.assert_array_equal(point_of(variable.value), z.astype(bool))


@pytest.mark.parametrize("family", ["indefinite", "factored"])
def test_its_continuous_relaxation_bounds_the_program(family: str):
    problem = testing.problem(family, 8, 0)
    model, _ = ccsolve.to_cvxpy(problem)
    binary = model.var_dict["z"]
    relaxed = cp.Variable(problem.n)
    box = [relaxed >= 0, relaxed <= 1, cp.sum(relaxed) == problem.keep]
    tree = model.objective.expr.tree_copy({id(binary): relaxed})
    relaxation = cp.Problem(cp.Minimize(tree), box)
    relaxation.solve(solver=cp.CLARABEL)
    found = relaxation.solution
    assert found is not None
    assert found.opt_val <= testing.brute_force(problem)[1] + 1e-6 * problem.data_scale


def test_a_rounded_value_is_the_nearest_point():
    _, point_of = ccsolve.to_cvxpy(ChannelSelection(np.eye(3), keep=2))
    z = point_of(np.array([1.0 - 1e-7, 1e-7, 0.9]))
    np.testing.assert_array_equal(z, [True, False, True])


def test_what_is_no_value_is_refused():
    model, point_of = ccsolve.to_cvxpy(ChannelSelection(np.eye(3), keep=2))
    with pytest.raises(InvalidProblem, match=r"no value; .* solve the model first"):
        point_of(model.var_dict["z"].value)
    with pytest.raises(InvalidProblem, match=r"shape \(2,\)"):
        point_of(np.ones(2))


def test_no_channels():
    with pytest.raises(Unsupported, match="no channels"):
        ccsolve.to_cvxpy(ChannelSelection(np.zeros((0, 0))))
