import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import cancelling, k_cluster
from ccsolve.solution import Stop


def test_it_has_the_relaxations_bound_and_a_point_as_good_as_tabus():
    for problem in (k_cluster(50, 0.4, 12), cancelling(40, seed=2)):
        both = solve(problem, "search_and_bound", time_limit=None, step_limit=400)
        bound = solve(problem, "convex_relaxation", time_limit=None).bound
        point = solve(problem, "tabu", time_limit=None, step_limit=100)
        assert both.bound == pytest.approx(bound, rel=1e-6)
        assert both.objective <= point.objective + problem.resolution


def test_the_trace_holds_both_curves():
    found = solve(cancelling(60, seed=1), "search_and_bound", step_limit=60)
    assert len({point.bound for point in found.trace}) > 1
    assert len({point.objective for point in found.trace}) > 1


def test_without_any_limit_it_ends_by_itself():
    found = solve(cancelling(16, seed=0), "search_and_bound", time_limit=None)
    assert found.stop is Stop.FINISHED


def test_patience_ends_it_early():
    problem = cancelling(40, seed=0)
    found = solve(problem, "search_and_bound", patience=5, time_limit=None)
    assert found.stop is Stop.FINISHED
    testing.check_option(
        "search_and_bound", problem, "patience", (1, 30), step_limit=None
    )
    with pytest.raises(InvalidProblem):
        solve(problem, "search_and_bound", patience=0)


def test_a_closed_gap_stops_it():
    found = solve(testing.problem("zero", 30), "search_and_bound")
    assert found.stop is Stop.GAP and found.objective == 0


def test_factors_too_large_to_form():
    rng = np.random.default_rng(0)
    n = 5000
    problem = ChannelSelection(
        factor=rng.standard_normal((8, n)), q=-10.0 * rng.random(n), keep=n // 4
    )
    found = solve(problem, "search_and_bound", time_limit=None, step_limit=120)
    assert problem.violation(found.x) == 0
    assert found.natural_gap < 0.1
