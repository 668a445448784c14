import numpy as np
import pytest

from ccsolve import testing
from ccsolve.errors import Infeasible
from ccsolve.iterate import Limits
from ccsolve.problems import RateAllocation
from ccsolve.problems.generate_allocation import netlike
from ccsolve.solution import Stop, verify
from ccsolve.solvers.allocation import greedy


@pytest.mark.parametrize("budgets", [1, 2, 4])
@pytest.mark.parametrize("kind", ["real", "scaled", "spread", "whole", "degenerate"])
def test_points_keep_the_budgets(kind: str, budgets: int, small_allocation):
    for seed in range(30):
        try:
            problem = small_allocation(kind, budgets, seed)
            found = greedy.solve(problem, Limits())
        except Infeasible:
            continue
        verify(problem, found)
        assert found.bound == -np.inf
        assert found.objective >= testing.brute_force(problem)[1]
        if budgets == 1:
            assert found.x is not None


def test_no_single_change_helps():
    problem = netlike(12, 25, 3, seed=4, share=0.4)
    found = greedy.solve(problem, Limits())
    for layer, size in enumerate(problem.sizes):
        for option in range(size):
            x = found.x.copy()
            x[layer] = option
            assert problem.violation(x) > 0 or (
                problem.objective(x) >= found.objective - problem.resolution
            )


def test_the_rate_decides():
    """Two units are to be saved: layer 1 loses 3 for two, layer 0 loses 2 for one."""
    problem = RateAllocation([[0.0, 2.0], [0.0, 3.0]], [[1.0, 0.0], [2.0, 0.0]], 1.0)
    assert greedy.solve(problem, Limits()).x.tolist() == [0, 1]


def test_pairs_count_as_they_are():
    """Both at their widest cost 4 together and alone nothing; one must give way."""
    table = np.outer([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])[:, :, None]
    problem = RateAllocation(
        [[3.0, 1.0, 0.0]] * 2, [np.zeros((3, 1))] * 2, [2.0], {(0, 1): table}
    )
    found = greedy.solve(problem, Limits())
    verify(problem, found)
    assert sorted(found.x.tolist()) == [1, 2]


def test_points_with_pairs_keep_the_budgets(paired_allocation):
    found = []
    for seed in range(60):
        try:
            problem = paired_allocation(seed)
            found.append(greedy.solve(problem, Limits()))
        except Infeasible:
            continue
        verify(problem, found[-1])
        assert found[-1].objective >= testing.brute_force(problem)[1]
    assert sum(solution.x is not None for solution in found) > 20


@pytest.mark.parametrize("share", 10.0 ** -np.arange(6.0, 13.0))
def test_budgets_missed_by_rounding_end(share: float, just_missed):
    for seed in range(4):
        problem = just_missed(seed, share)
        found = greedy.solve(problem, Limits(step_limit=20))
        assert found.stop is Stop.FINISHED
