import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import cancelling, euclidean_diversity, loss_model

UNLIMITED = {"time_limit": None, "step_limit": 500}


def test_it_ends_by_itself_with_value_and_bound_together():
    for family in ("k_cluster", "loss_model", "factored", "budget_only"):
        found = solve(testing.problem(family, 60, 0), "convex_relaxation", **UNLIMITED)
        assert found.extra["steps"] < 500


def test_euclidean_distances_leave_a_small_gap():
    problem = euclidean_diversity(200, 20)
    found = solve(problem, "convex_relaxation", **UNLIMITED)
    assert found.gap < 0.01


def test_a_separable_program_is_solved():
    rng = np.random.default_rng(0)
    problem = ChannelSelection(
        factor=np.zeros((1, 40)), diagonal=rng.standard_normal(40), keep=9
    )
    assert solve(problem, "convex_relaxation").gap <= 1e-6


def test_the_diagonal_of_a_factor_costs_no_tightness():
    # The same diagonal as a linear term is the same program.
    rng = np.random.default_rng(1)
    F, d = rng.standard_normal((4, 30)), 10.0 * rng.standard_normal(30)
    bounds = [
        solve(problem, "convex_relaxation", **UNLIMITED).bound
        for problem in (
            ChannelSelection(factor=F, diagonal=d, keep=7),
            ChannelSelection(factor=F, q=d, keep=7),
        )
    ]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-6)


def test_a_tighter_tolerance_gives_no_worse_bound():
    problem = cancelling(80, seed=3)
    loose, tight = (
        solve(problem, "convex_relaxation", tolerance=t, **UNLIMITED).bound
        for t in (1e-2, 1e-8)
    )
    assert loose <= tight


def test_options_act():
    problem = loss_model(60, 30, 64)
    testing.check_option("convex_relaxation", problem, "tolerance", (1e-2, 1e-9))
    testing.check_option("convex_relaxation", problem, "roundings", (1, 6))


@pytest.mark.parametrize("option", [{"tolerance": -1.0}, {"roundings": -1}])
def test_malformed_options_are_refused(option: dict):
    with pytest.raises(InvalidProblem):
        solve(testing.problem("k_cluster"), "convex_relaxation", **option)


def test_where_there_is_no_time_for_an_eigenvalue_there_is_a_bound_still():
    problem = cancelling(300, seed=0)
    hasty = solve(problem, "convex_relaxation", time_limit=1e-4)
    full = solve(problem, "convex_relaxation", **UNLIMITED)
    assert -np.inf < hasty.bound <= full.bound
