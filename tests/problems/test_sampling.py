"""Points without search are feasible, whatever the constraints."""

import numpy as np
import pytest

from ccsolve import ChannelSelection
from ccsolve.problems.generate import FAMILIES, cancelling
from ccsolve.problems.sampling import feasible_point, natural_scale, random_point


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [4, 7, 20])
def test_points_are_feasible(family: str, n: int):
    problem = FAMILIES[family](n, 0)
    assert problem.violation(feasible_point(problem)) == 0
    rng = np.random.default_rng(3)
    for _ in range(20):
        assert problem.violation(random_point(problem, rng)) == 0


@pytest.mark.parametrize("seed", range(50))
def test_tight_budgets_with_keep_are_met(seed: int):
    rng = np.random.default_rng(seed)
    n, keep = 12, int(rng.integers(1, 11))
    cost = rng.random(n)
    cheapest = np.sort(cost)[:keep].sum()
    problem = ChannelSelection(
        np.diag(rng.standard_normal(n)),
        keep=keep,
        cost=cost,
        budget=cheapest * (1 + 0.1 * (seed % 3)),
    )
    assert problem.violation(feasible_point(problem)) == 0
    assert problem.violation(random_point(problem, rng)) == 0


def test_random_points_reach_every_subset():
    problem = ChannelSelection(np.eye(5), keep=2)
    rng = np.random.default_rng(0)
    seen = {random_point(problem, rng).tobytes() for _ in range(400)}
    assert len(seen) == 10


def test_natural_scale_is_what_a_random_subset_costs():
    problem = cancelling(64, seed=4)
    rng = np.random.default_rng(9)
    values = [problem.objective(random_point(problem, rng)) for _ in range(400)]
    assert natural_scale(problem, points=400) == pytest.approx(
        np.mean(values), rel=0.05
    )
