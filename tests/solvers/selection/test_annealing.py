import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import FAMILIES, cancelling
from ccsolve.solvers.selection.searching import engine, windows


@pytest.mark.parametrize("family", FAMILIES)
def test_small_programs_are_solved(family: str):
    problem = testing.problem(family, 10, 6)
    solution = solve(problem, "annealing", sweeps=300)
    _, optimum = testing.brute_force(problem)
    slack = problem.resolution + 1e-9 * abs(optimum)
    assert solution.objective <= optimum + slack


def test_longer_cooling_finds_better():
    problem = cancelling(120, rank=60, seed=3)
    quick, slow = (
        np.mean(
            [
                solve(problem, "annealing", sweeps=sweeps, runs=1, seed=s).objective
                for s in range(8)
            ]
        )
        for sweeps in (10, 1000)
    )
    assert slow < quick


def test_the_scale_of_the_data_does_not_matter():
    base = cancelling(40, seed=4)
    for scale in (2.0**-40, 2.0**40):
        scaled = ChannelSelection(scale * base.dense(), keep=base.keep)
        first, second = (
            solve(p, "annealing", sweeps=50, runs=1, time_limit=None)
            for p in (base, scaled)
        )
        assert np.array_equal(first.x, second.x)


def test_every_option_has_an_effect():
    problem = cancelling(60, seed=2)
    testing.check_option("annealing", problem, "sweeps", (20, 200))
    testing.check_option("annealing", problem, "runs", (1, 3), sweeps=50)
    start = np.arange(60) < 30
    testing.check_option("annealing", problem, "start", (None, start))


@pytest.mark.parametrize("option", [{"sweeps": 0}, {"runs": 0}])
def test_options_are_checked(option: dict):
    (name,) = option
    with pytest.raises(InvalidProblem, match=f"{name} = 0"):
        solve(cancelling(10), "annealing", **option)


@pytest.mark.parametrize("constraint", ["keep", "budget", "none"])
def test_a_factor_is_annealed_by_its_image(
    monkeypatch: pytest.MonkeyPatch, constraint: str
):
    rng = np.random.default_rng(8)
    cost = rng.uniform(1, 2, 70)
    problem = ChannelSelection(
        factor=rng.standard_normal((6, 70)),
        q=-rng.uniform(0, 4, 70),
        keep=30 if constraint == "keep" else None,
        **({"cost": cost, "budget": 50.0} if constraint == "budget" else {}),
    )
    whole = solve(problem, "annealing", sweeps=200, runs=3)
    monkeypatch.setattr(engine, "FORMED_LIMIT", 10)
    monkeypatch.setattr(windows, "WINDOW", 32)
    by_image = solve(problem, "annealing", sweeps=4, runs=2)
    assert problem.violation(by_image.x) == 0
    assert by_image.objective <= whole.objective + 0.05 * abs(whole.objective)
    testing.check_method("annealing", problem, sweeps=2, runs=1)
