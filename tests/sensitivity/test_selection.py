"""The selection program at every width: against brute force, bounds, refusals."""

import itertools

import numpy as np
import pytest

from ccsolve import ChannelSelection
from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from ccsolve.problems.generate import cancelling, diversity, loss_model
from ccsolve.sensitivity import ccp_curve, selection_curve
from ccsolve.statistics import Group, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))


def optima(problem: ChannelSelection) -> np.ndarray:
    """Give the least objective by classes gone."""
    best = np.full(problem.n + 1, np.inf)
    for z in itertools.product((0.0, 1.0), repeat=problem.n):
        gone = problem.n - int(sum(z))
        best[gone] = min(best[gone], problem.objective(np.array(z)))
    return best


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_small_curves_are_optimal(n: int):
    for problem in (
        cancelling(n, keep=n),
        diversity(n, keep=0),
        loss_model(n, keep=1, seed=3),
        loss_model(n, keep=1, samples=4, factored=True),
    ):
        curve = selection_curve(problem)
        np.testing.assert_allclose(curve.losses, optima(problem), atol=1e-9)
        assert (curve.kept.sum(axis=1) == np.arange(n, -1, -1)).all()
        scored = [problem.objective(point) for point in curve.kept]
        np.testing.assert_array_equal(curve.losses, scored)
        assert (curve.bounds == -np.inf).all()


def test_the_empty_selection_has_one_width():
    curve = selection_curve(ChannelSelection(np.zeros((0, 0)), constant=2.0))
    assert curve.losses.tolist() == [2.0]
    assert curve.kept.shape == (1, 0)


def test_a_curve_is_that_of_the_statistics_program():
    for group in STATS.groups:
        curve = ccp_curve(STATS, group, damping=0.1, first_order=0.5)
        size = STATS.groups[group].size
        program = STATS.channel_selection(group, size, damping=0.1, first_order=0.5)
        assert curve.losses[0] == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(curve.losses, optima(program), atol=1e-9)


def test_rounds_only_improve_and_seeds_repeat():
    problem = cancelling(40, seed=1)
    first = selection_curve(problem, rounds=0)
    more = selection_curve(problem, rounds=4)
    assert (more.losses <= first.losses + 1e-12).all()
    assert (more.losses < first.losses - 1e-9).any()
    again = selection_curve(problem, rounds=4)
    np.testing.assert_array_equal(again.kept, more.kept)
    other = selection_curve(problem, rounds=0, seed=1)
    assert (other.kept != first.kept).any()


def test_bounds_are_below_the_optima_and_exact_methods_meet_them():
    problem = cancelling(8, seed=2)
    best = optima(problem)
    relaxed = selection_curve(problem, bounds_by="convex_relaxation")
    assert (relaxed.bounds <= best + 1e-9).all()
    assert (relaxed.bounds > -np.inf).all()
    exact = selection_curve(problem, rounds=0, bounds_by="enumerate_all")
    np.testing.assert_allclose(exact.losses, best, atol=1e-9)
    np.testing.assert_allclose(exact.bounds, best, atol=1e-6)
    assert (exact.kept.sum(axis=1) == np.arange(8, -1, -1)).all()


def test_what_has_no_curve_is_refused():
    Q = np.eye(3)
    with pytest.raises(Unsupported, match="budget or fixings"):
        selection_curve(ChannelSelection(Q, cost=np.ones(3), budget=2.0))
    with pytest.raises(Unsupported, match="budget or fixings"):
        selection_curve(ChannelSelection(Q, keep=1, fixed=[1, -1, -1]))
    with pytest.raises(Unsupported, match="n = 4097; a curve is drawn up to 4096"):
        selection_curve(ChannelSelection(factor=np.ones((1, 4097)), keep=1))
    with pytest.raises(InvalidProblem, match="rounds = -1; expected a whole number"):
        selection_curve(ChannelSelection(Q), rounds=-1)
    with pytest.raises(InvalidProblem, match="'greedy' gave no bound"):
        selection_curve(ChannelSelection(Q), bounds_by="greedy")
    with pytest.raises(InvalidProblem, match="no group 'conv9'"):
        ccp_curve(STATS, "conv9")
    with pytest.raises(MissingStatistics, match="collect with curvature"):
        ccp_curve(Statistics({"g": Group("g", 3)}), "g")
