"""Programs solved by the mixed-integer solvers of cvxpy; needs the extra `peers`."""

import pytest

import ccsolve
from ccsolve import testing

FAMILIES = ("k_cluster", "indefinite", "factored", "budgeted", "partly_fixed")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("solver", "module"), [("SCIP", "pyscipopt"), ("GUROBI", "gurobipy")]
)
def test_the_optimum_is_found_and_comes_back(solver: str, module: str, family: str):
    pytest.importorskip(module)
    problem = testing.problem(family, 7, 3)
    model, point_of = ccsolve.to_cvxpy(problem)
    value = model.solve(solver=solver)
    z = point_of(model.var_dict["z"].value)
    _, optimum = testing.brute_force(problem)
    assert value == pytest.approx(optimum, rel=1e-5, abs=1e-5)
    assert problem.violation(z) == 0
    assert problem.objective(z) == pytest.approx(optimum, rel=1e-5, abs=1e-5)
