import numpy as np
import pytest

from ccsolve import testing
from ccsolve.problems.generate import FAMILIES
from ccsolve.problems.sampling import random_point
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.rounding import (
    first_step,
    nearest_point,
    prices,
    random_rounding,
)

FREE = [name for name in FAMILIES if name != "partly_fixed"]


@pytest.mark.parametrize("family", FREE)
def test_rounded_points_are_feasible_and_feasible_points_round_to_themselves(
    family: str,
):
    problem, rng = testing.problem(family, 9, 1), np.random.default_rng(0)
    for _ in range(20):
        z = rng.random(9)
        assert problem.violation(nearest_point(problem, z)) == 0
        assert problem.violation(random_rounding(problem, z, rng)) == 0
        point = random_point(problem, rng)
        np.testing.assert_array_equal(nearest_point(problem, point * 1.0), point)


@pytest.mark.parametrize("family", FREE)
def test_the_first_step_has_a_point_and_a_finite_bound(family: str):
    problem = testing.problem(family, 9, 2)
    step = first_step(problem, plain_form(problem))
    assert problem.violation(step.x) == 0
    assert -np.inf < step.bound <= testing.brute_force(problem)[1]


def test_prices_are_there_where_a_budget_is():
    assert prices(testing.problem("k_cluster"), 0.0) is None
    found = prices(testing.problem("budgeted"), 1.5)
    assert found is not None and found["budget"].tolist() == [1.5]
