"""The worst of several programs: by enumeration, its bound, its refusals."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsolve import NetworkSelection, WidthBudget
from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.statistics.generate import random_chain
from ccsolve.validation import LossModel
from ccsolve.validation.resampling import resampled, worst_of_resampled
from ccsolve.validation.worst_case import (
    WorstOf,
    cutting_weights,
    solve_worst,
    swapped,
)

STATS = random_chain((4, 4), samples=8)
LIMITS = {"macs": 0.5 * STATS.cost().macs}


def drawn(seed: int, count: int = 3, *, blocks: bool = False) -> WorstOf:
    """Give programs of two groups of four channels under a product of widths."""
    rng = np.random.default_rng(seed)
    budget = WidthBudget(9.0, products={(0, 1): 1.0})
    programs = []
    for _ in range(count):
        parts = [rng.normal(size=(4, 4)) for _ in range(2)]
        Q = rng.normal(size=(8, 8))
        form: dict[str, Any] = (
            {"blocks": [part + part.T for part in parts]} if blocks else {"Q": Q + Q.T}
        )
        programs.append(
            NetworkSelection(
                q=rng.normal(size=8),
                groups=np.repeat([0, 1], 4),
                budgets=[budget],
                constant=float(rng.normal()),
                min_keep=1,
                **form,
            )
        )
    return WorstOf(tuple(programs))


def optimum(problem: WorstOf) -> float:
    points = (np.array(z) for z in itertools.product((0, 1), repeat=problem.n))
    return min(problem.objective(z) for z in points if problem.violation(z) <= 1e-9)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_point_and_bound_enclose_the_optimum(seed: int, blocks: bool) -> None:
    problem = drawn(seed, blocks=blocks)
    found, best = solve_worst(problem, time_limit=5.0), optimum(problem)
    assert found.bound <= best <= found.objective + 1e-12
    assert found.objective == problem.objective(found.x)
    weights = found.extra["weights"]
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all()
    alone = [solve_worst(WorstOf((each,)), rounds=1) for each in problem.programs]
    assert found.objective >= max(each.bound for each in alone) - 1e-9


@pytest.mark.parametrize("blocks", [False, True])
def test_a_mixture_is_the_mean_of_its_programs(blocks: bool) -> None:
    problem = drawn(1, blocks=blocks)
    weights = np.array([0.2, 0.3, 0.5])
    mixed = problem.mixture(weights)
    for z in np.random.default_rng(0).integers(0, 2, (10, problem.n)):
        assert mixed.objective(z) == pytest.approx(weights @ problem.objectives(z))


def test_one_program_alone_is_solved_as_it_is() -> None:
    problem = drawn(2, count=1)
    found = solve_worst(problem)
    assert found.objective == pytest.approx(optimum(problem))
    assert found.gap <= 1e-6


def test_the_weights_are_those_of_the_game() -> None:
    """Rock, paper, scissors: all alike."""
    game = np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]])
    np.testing.assert_allclose(cutting_weights(game), np.full(3, 1 / 3), atol=1e-9)
    dominated = np.array([[1.0, 3.0], [2.0, 4.0]])
    np.testing.assert_allclose(cutting_weights(dominated), [0.0, 1.0], atol=1e-9)


def test_no_swap_is_left() -> None:
    problem = drawn(5)
    start = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=bool)
    *_, last = swapped(problem, start)
    value = problem.objective(last)
    assert value <= problem.objective(start)
    for own in problem.programs[0].members:
        for i, j in itertools.permutations(own, 2):
            if last[i] and not last[j]:
                other = last.copy()
                other[i], other[j] = False, True
                assert problem.objective(other) >= value - 1e-9


@pytest.mark.parametrize("cross", [False, True])
def test_resampled_statistics_give_it(cross: bool) -> None:
    model = LossModel(cross=cross, first_order=0.5)
    problem = worst_of_resampled(STATS, LIMITS, model, draws=3, min_keep=2)
    assert len(problem.programs) == 4
    found = solve_worst(problem, time_limit=5.0)
    plain = STATS.network_program(macs=0.5, min_keep=2, **model.options())
    assert found.objective >= plain.objective(found.x) - 1e-12
    best = optimum(problem)
    assert found.bound <= best <= found.objective + 1e-12
    assert found.objective <= best + 0.05 * abs(best) + 1e-9


def test_samples_are_drawn_together_and_their_means_agree() -> None:
    again = resampled(STATS, seed=4)
    rng = np.random.default_rng(4)
    places = rng.integers(0, STATS.samples, STATS.samples)
    for name, group in STATS.groups.items():
        rows: Any = group.fisher_rows
        found: Any = again.groups[name]
        np.testing.assert_array_equal(found.fisher_rows, rows[places])
        np.testing.assert_array_equal(
            found.ggn_rows, np.asarray(group.ggn_rows)[places]
        )
        expected = rows[places].sum(axis=0) / STATS.samples**0.5
        np.testing.assert_allclose(found.gradient, expected, rtol=1e-5, atol=1e-7)


def test_blocks_cannot_be_drawn() -> None:
    group = replace(STATS.groups["conv1"], ggn=np.eye(4), ggn_rows=None)
    stats = replace(STATS, groups={**STATS.groups, "conv1": group})
    with pytest.raises(MissingStatistics, match="groups/conv1: ggn is held as a block"):
        resampled(stats)


def test_programs_of_other_points_are_refused() -> None:
    one, other = drawn(0).programs[0], drawn(1).programs[0]
    parts = {**other.parts(), "min_keep": 2}
    with pytest.raises(InvalidProblem, match="differ in the objective alone"):
        WorstOf((one, NetworkSelection(**parts)))
    with pytest.raises(InvalidProblem, match="no programs"):
        WorstOf(())
