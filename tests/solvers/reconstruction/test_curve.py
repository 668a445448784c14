"""Curves: monotone, not above the greedy's, right where brute force reaches."""

import itertools
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.generate_reconstruction import FAMILIES, layer
from ccsolve.solvers.reconstruction import greedy_removal
from ccsolve.solvers.reconstruction.curve import reconstruction_curve

STEEP = layer(10, 2, 3, 5, 3, decay=2.0)


def keeping(problem: ReconstructionSelection, keep: int) -> ReconstructionSelection:
    return ReconstructionSelection(
        problem.moments,
        problem.cross,
        keep,
        problem.group,
        problem.weights,
        problem.constant,
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("refine", [True, False])
def test_losses_are_those_of_the_choices_and_fall(family: str, refine: bool):
    problem = FAMILIES[family](8, 0)
    losses, choices = reconstruction_curve(problem, refine=refine)
    near = 1e-9 * abs(losses[0]) + 1e-9 * problem.data_scale
    assert choices.sum(axis=1).tolist() == list(range(9))
    for loss, x in zip(losses, choices, strict=True):
        assert loss == pytest.approx(problem.objective(x), abs=near)
    assert (np.diff(losses) <= near).all()


def test_without_refinement_it_is_the_greedy_removal():
    losses, choices = reconstruction_curve(STEEP, refine=False)
    for keep in range(1, 10):
        greedy = greedy_removal.solve(keeping(STEEP, keep), Limits())
        assert losses[keep] >= greedy.objective - 1e-9
        assert losses[keep] == pytest.approx(STEEP.objective(choices[keep]))
    for before, after in itertools.pairwise(choices):
        assert (before <= after).all()


def test_refined_losses_are_near_the_optimum_and_below_the_greedys():
    plain = reconstruction_curve(STEEP, refine=False).losses
    refined = reconstruction_curve(STEEP).losses
    assert (refined <= plain + 1e-12).all() and (refined < plain - 1e-9).any()
    for keep in range(11):
        points = itertools.combinations(range(10), keep)
        values = [STEEP.objective(np.isin(np.arange(10), kept)) for kept in points]
        assert min(values) - 1e-12 <= refined[keep] <= 1.2 * min(values) + 1e-12


def test_counts_come_back_in_the_order_asked():
    losses, choices = reconstruction_curve(STEEP, [7, 2, 2, 5])
    assert choices.sum(axis=1).tolist() == [7, 2, 2, 5]
    assert losses[1] == losses[2] > losses[3] > losses[0]


def test_the_count_of_the_problem_plays_no_part():
    assert (
        reconstruction_curve(STEEP).losses
        == reconstruction_curve(keeping(STEEP, 1)).losses
    ).all()


def test_no_counts_give_an_empty_curve():
    losses, choices = reconstruction_curve(STEEP, [])
    assert losses.shape == (0,) and choices.shape == (0, 10)


@pytest.mark.parametrize("keeps", [[11], [-1], [1.5]])
def test_bad_counts_are_refused(keeps: Any):
    with pytest.raises(InvalidProblem, match="keeps = "):
        reconstruction_curve(STEEP, keeps)
