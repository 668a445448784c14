import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate import FAMILIES, cancelling, loss_model
from ccsolve.solvers.selection import greedy


def _twin(problem: ChannelSelection, adding: bool) -> np.ndarray:
    """Flip the channel after which the objective is lowest, scored anew each time."""
    z = np.full(problem.n, not adding)
    while z.sum() != problem.keep:
        flips = []
        for k in np.flatnonzero(z != adding):
            other = z.copy()
            other[k] = adding
            flips.append((problem.objective(other), k))
        z[min(flips)[1]] = adding
    return z


@pytest.mark.parametrize("factored", [False, True])
def test_each_direction_is_that_of_its_twin(factored: bool):
    problem = loss_model(12, 5, 20, seed=3, factored=factored)
    for direction, adding in (("add", True), ("delete", False)):
        solution = solve(problem, "greedy", direction=direction)
        assert np.array_equal(solution.x, _twin(problem, adding))


@pytest.mark.parametrize("family", FAMILIES)
def test_best_is_the_better_direction(family: str):
    problem = testing.problem(family, 11, 5)
    values = {
        direction: solve(problem, "greedy", direction=direction).objective
        for direction in ("add", "delete", "best")
    }
    assert values["best"] == min(values["add"], values["delete"])


def test_direction_matters():
    testing.check_option("greedy", cancelling(40), "direction", ("add", "delete"))


def test_another_direction_is_refused():
    with pytest.raises(InvalidProblem, match=r"direction = 'up'; expected 'add'"):
        solve(cancelling(8), "greedy", direction="up")


def test_a_shortlist_of_everything_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    problem = loss_model(60, 25, 16, seed=1, factored=True)
    whole = solve(problem, "greedy")
    monkeypatch.setattr(greedy, "FORMED_LIMIT", 10)
    monkeypatch.setattr(greedy, "_SHORTLIST", 118)
    monkeypatch.setattr(greedy, "_BLOCK", 1)
    assert np.array_equal(solve(problem, "greedy").x, whole.x)


@pytest.mark.parametrize("with_budget", [False, True])
def test_a_shortlist_reaches_the_cardinality(
    monkeypatch: pytest.MonkeyPatch, with_budget: bool
):
    monkeypatch.setattr(greedy, "FORMED_LIMIT", 10)
    monkeypatch.setattr(greedy, "_SHORTLIST", 16)
    monkeypatch.setattr(greedy, "_BLOCK", 4)
    rng = np.random.default_rng(2)
    F, cost = rng.standard_normal((8, 90)), rng.uniform(1, 2, 90)
    limits = {"cost": cost, "budget": 1.2 * np.sort(cost)[:30].sum()}
    problem = ChannelSelection(factor=F, keep=30, **(limits if with_budget else {}))
    for direction in ("add", "delete"):
        solution = testing.check_answer("greedy", problem, direction=direction)
        assert solution.objective < 0.5 * solution.natural_scale
