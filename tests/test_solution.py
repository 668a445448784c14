"""Solution: gaps, claims, merging, and the check that trusts nobody."""

import math

import numpy as np
import pytest

import ccsolve
from ccsolve import ChannelSelection, Claim, Solution, Stop, merge, verify
from ccsolve.errors import WrongAnswer


def held(objective: float, bound: float, **others) -> Solution:
    x = None if objective == math.inf else np.array([True, False])
    return Solution(x, objective, bound, Stop.FINISHED, **others)


@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [
        (2.0, 1.0, 0.5),
        (-2.0, -3.0, 0.5),
        (0.0, -1.0, math.inf),
        (0.0, 0.0, 0.0),
        (1.0, -math.inf, math.inf),
        (math.inf, 1.0, math.inf),
        (1.0, 1.0 + 1e-15, 0.0),
    ],
)
def test_gap(objective: float, bound: float, gap: float):
    assert held(objective, bound).gap == pytest.approx(gap)


def test_differences_below_the_resolution_are_no_gap():
    assert held(1e-9, 0.0, resolution=1e-8).gap == 0
    assert held(1e-9, 0.0, resolution=1e-10).gap == 1


def test_repr_fits_a_line():
    shown = repr(held(2.0, 1.0, method="tabu", seconds=0.5))
    assert shown == (
        "Solution(tabu: objective=2, bound=1, gap=0.5, stop='finished', seconds=0.5)"
    )


def test_natural_gap_reads_on_the_scale_of_random_points():
    solution = held(1e-4, 0.0, natural_scale=10.0)
    assert solution.cancels
    assert solution.gap == 1
    assert solution.natural_gap == pytest.approx(1e-5)
    assert not held(1.0, 0.0, natural_scale=10.0).cancels


@pytest.mark.parametrize(
    ("objective", "bound", "claim"),
    [
        (1.0, 1.0, Claim.OPTIMAL),
        (1.0, 0.5, Claim.FEASIBLE),
        (1.0, -math.inf, Claim.FEASIBLE),
        (math.inf, 0.5, Claim.BOUND),
        (math.inf, math.inf, Claim.INFEASIBLE),
        (math.inf, -math.inf, Claim.NOTHING),
    ],
)
def test_claims_follow_from_point_and_bound(objective, bound, claim):
    assert held(objective, bound).claim() is claim


def test_claims_do_not_depend_on_why_it_stopped():
    for stop in Stop:
        x = np.array([True, False])
        assert Solution(x, 1.0, 1.0, stop).claim() is Claim.OPTIMAL
        assert Solution(x, 1.0, 0.0, stop).claim() is Claim.FEASIBLE


def test_merge_keeps_the_better_half_of_each():
    point = held(1.0, -math.inf, method="tabu", seconds=1.0)
    relaxation = held(3.0, 0.9, method="convex_relaxation", seconds=2.0)
    both = merge(point, relaxation)
    assert (both.objective, both.bound) == (1.0, 0.9)
    assert both.seconds == 3.0
    assert both.method == "tabu + convex_relaxation"
    swapped = merge(relaxation, point)
    assert (swapped.objective, swapped.bound) == (1.0, 0.9)


def answer(problem: ChannelSelection, x, **changes) -> Solution:
    x = np.array(x, dtype=bool)
    fields = {"x": x, "objective": problem.objective(x), "bound": -math.inf, **changes}
    return Solution(stop=Stop.FINISHED, **fields)


def test_verify_accepts_what_holds():
    problem = ChannelSelection(np.diag([1.0, 2.0]), keep=1)
    assert verify(problem, answer(problem, [1, 0], bound=1.0)) is None
    assert verify(problem, Solution(None, math.inf, 0.5, Stop.TIME_LIMIT)) is None


@pytest.mark.parametrize(
    ("x", "changes", "message"),
    [
        ([1, 1], {}, "infeasible"),
        ([1, 0], {"objective": 0.5}, "objective claimed 0.5"),
        ([1, 0], {"objective": math.nan}, "objective claimed nan"),
        ([1, 0], {"bound": 1.1}, "bound claimed 1.1"),
        ([1, 0], {"bound": math.inf}, "bound claimed inf"),
        ([1, 0], {"bound": math.nan}, "bound claimed nan"),
        ([1, 0], {"bound": 0.5, "resolution": 1.0}, "resolution claimed 1"),
    ],
)
def test_verify_refutes_what_does_not_hold(x, changes, message):
    problem = ChannelSelection(np.diag([1.0, 2.0]), keep=1)
    with pytest.raises(WrongAnswer, match=message):
        verify(problem, answer(problem, x, **changes))


def test_verify_refutes_an_objective_without_a_point():
    problem = ChannelSelection(np.eye(2), keep=1)
    with pytest.raises(WrongAnswer, match="without a point"):
        verify(problem, Solution(None, 1.0, 0.0, Stop.FINISHED))


def test_reconstructions_hold_the_refitted_weights():
    for keep in (0, 2, 3):
        problem = ccsolve.ReconstructionSelection(
            np.eye(6), np.arange(12.0).reshape(6, 2), keep, group=2
        )
        solution = ccsolve.solve(problem)
        np.testing.assert_allclose(solution.weights, problem.refit(solution.x))
    selection = ccsolve.solve(ccsolve.ChannelSelection(np.eye(3), keep=1))
    assert selection.weights is None
