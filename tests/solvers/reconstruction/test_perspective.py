"""The perspective relaxation: convex, exact at points, its bounds below the optimum."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.generate_reconstruction import FAMILIES, layer
from ccsolve.solvers.reconstruction import (
    branch_and_bound,
    perspective,
    search_and_bound,
)
from ccsolve.solvers.reconstruction.relaxing.perspective_form import (
    evaluate,
    perspective_form,
)
from ccsolve.solvers.reconstruction.relaxing.spectral_descent import descent


def limits(problem: ReconstructionSelection, **rest: Any) -> Limits:
    return Limits(resolution=problem.resolution, **rest)


@pytest.mark.parametrize("family", ["layer", "layer_grouped", "weighted_full", "dead"])
def test_the_relaxation_is_exact_at_points(family: str):
    problem = FAMILIES[family](8, 0)
    form = perspective_form(problem, 2)
    for seed in range(5):
        x = problem.random_point(np.random.default_rng(seed))
        value = evaluate(form, x.astype(np.float64)).value
        assert value == pytest.approx(problem.objective(x), rel=1e-8)


def test_the_relaxation_is_convex_and_its_gradient_right():
    problem = layer(8, 2, 4, 4)
    form, rng = perspective_form(problem, 2), np.random.default_rng(0)
    for _ in range(10):
        z, y = rng.uniform(0.1, 1.0, (2, 8))
        at_z, at_y = evaluate(form, z), evaluate(form, y)
        middle = evaluate(form, 0.5 * (z + y))
        assert middle.value <= 0.5 * (at_z.value + at_y.value) + 1e-12
        step = 1e-6 * (y - z)
        change = evaluate(form, z + step).value - evaluate(form, z - step).value
        assert change == pytest.approx(2 * at_z.gradient @ step, rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_point_of_the_relaxation_gives_a_bound(
    family: str, values: Callable[..., Any]
):
    problem = FAMILIES[family](8, 0)
    form, rng = perspective_form(problem, 2), np.random.default_rng(1)
    best = min(values(problem))
    room = 1e-12 * (abs(best) + problem.data_scale)
    for _ in range(5):
        assert evaluate(form, rng.random(8)).bound <= best + room
    for now in itertools.islice(descent(form), 30):
        assert now.bound <= best + room
        assert now.bound <= now.value + room
        assert abs(now.z.sum() - problem.keep) < 1e-9
        assert now.z.min() >= 0 and now.z.max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_bound_and_point_enclose_the_optimum(family: str, values: Callable[..., Any]):
    problem = FAMILIES[family](7, 1)
    solution = perspective.solve(problem, limits(problem))
    best = min(values(problem))
    assert solution.bound <= best + 1e-12 * abs(best) + problem.resolution
    assert solution.bound > -np.inf
    assert solution.objective == problem.objective(solution.x)
    assert problem.violation(solution.x) == 0
    all_kept = problem.objective(np.ones(7, dtype=bool))
    assert solution.bound >= all_kept - 1e-5 * problem.data_scale


def test_independent_channels_have_no_gap(values: Callable[..., Any]):
    problem = FAMILIES["independent"](9, 0)
    solution = perspective.solve(problem, limits(problem))
    assert solution.bound == pytest.approx(min(values(problem)), rel=1e-6)


def test_a_larger_ridge_and_more_rounds_close_more_of_the_gap(
    values: Callable[..., Any],
):
    closed = []
    for ridge, rounds in ((1e-3, 1), (1e-3, 4), (0.3, 4)):
        problem = layer(8, 2, 4, 4, ridge=ridge)
        solution = perspective.solve(problem, limits(problem), rounds=rounds)
        closed.append(solution.bound / min(values(problem)))
    assert 0 < closed[0] < closed[1] < closed[2] < 1


def test_the_relaxation_is_minimised():
    """At the end the bound is the value: primal and dual meet."""
    problem = layer(10, 1, 4, 4, ridge=0.1)
    evaluations = list(itertools.islice(descent(perspective_form(problem, 2)), 60))
    best = max(now.bound for now in evaluations)
    assert best == pytest.approx(min(now.value for now in evaluations), rel=1e-9)


@pytest.mark.parametrize("keep", [0, 8])
def test_settled_programs_are_proven(keep: int):
    problem = layer(8, 2, 4, keep)
    solution = perspective.solve(problem, limits(problem))
    assert solution.absolute_gap == 0 or solution.gap < 1e-9


@pytest.mark.parametrize("options", [{"rounds": 0}, {"tolerance": -1.0}])
def test_malformed_options_are_refused(options: dict[str, Any]):
    with pytest.raises(InvalidProblem):
        perspective.solve(layer(4, 1, 2, 2), Limits(), **options)


def test_limits_leave_point_and_bound():
    problem = layer(12, 1, 4, 6)
    for steps in (1, 3, 5):
        solution = perspective.solve(problem, limits(problem, step_limit=steps))
        assert problem.violation(solution.x) == 0
        assert (solution.bound > -np.inf) == (steps > 2)


@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_on_badly_conditioned_moments(
    seed: int, values: Callable[..., Any]
):
    """Dead columns, near copies within and between channels, few samples."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rng.choice([7, 12, 40]), 12))
    x[:, 5], x[:, rng.integers(12)] = x[:, 4] * (1 + 1e-7 * x[:, 3]), 0
    x[:, 9] = x[:, 1] + 1e-5 * x[:, 9]
    y = x @ rng.standard_normal((12, 4)) + rng.choice([0, 1])
    problem = ReconstructionSelection.from_layer(
        x.T @ x,
        rng.standard_normal((12, 4)),
        int(rng.integers(5)),
        group=3,
        cross=x.T @ y,
        target=y.T @ y,
    )
    best = min(values(problem))
    for method in (perspective, search_and_bound, branch_and_bound):
        solution = method.solve(problem, limits(problem))
        assert solution.bound <= best + problem.resolution + 1e-12 * abs(best)
        assert solution.objective >= best - 1e-9 * problem.data_scale
