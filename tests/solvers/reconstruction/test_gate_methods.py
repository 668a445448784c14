"""ThiNet and LASSO: their quadratics by definition, their choices by optimality."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve.iterate import Limits
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.generate_reconstruction import FAMILIES, layer, regression
from ccsolve.solution import Stop
from ccsolve.solvers.reconstruction import lasso, thinet
from ccsolve.solvers.reconstruction.searching.gates import gates
from ccsolve.solvers.reconstruction.searching.working_form import working_form

WEIGHTS = np.cov(np.random.default_rng(3).standard_normal((9, 3)), rowvar=False)


def test_the_gates_are_those_of_the_definition():
    problem = regression(6, 2, 3, 3, weights=WEIGHTS)
    H, G = problem.moments, problem.cross
    W = np.linalg.solve(H, G)
    Q, t = gates(working_form(problem), 6)
    for beta in np.random.default_rng(0).standard_normal((5, 6)):
        scaled = np.repeat(beta, 2)[:, None] * W
        loss = np.trace(WEIGHTS @ (0.5 * scaled.T @ H @ scaled - G.T @ scaled))
        assert 0.5 * beta @ Q @ beta - t @ beta == pytest.approx(loss)


def test_slabs_do_not_change_the_gates(monkeypatch: pytest.MonkeyPatch):
    form = working_form(layer(7, 3, 4, 3))
    whole = gates(form, 7)
    monkeypatch.setattr("ccsolve.solvers.reconstruction.searching.gates._SLAB", 200)
    np.testing.assert_allclose(gates(form, 7).Q, whole.Q)


def test_thinet_removes_what_cancels_best():
    """Against its definition on samples, nothing fitted again."""
    rng = np.random.default_rng(5)
    x, W = rng.standard_normal((50, 8)), rng.standard_normal((8, 3))
    problem = ReconstructionSelection.from_layer(x.T @ x, W, 4)
    parts, removed = [np.outer(x[:, j], W[j]) for j in range(8)], []

    def lost(j: int) -> float:
        return float(np.square(sum(parts[i] for i in [*removed, j])).sum())

    for _ in range(4):
        removed.append(min(set(range(8)) - set(removed), key=lost))
    x_kept = np.ones(8, dtype=bool)
    x_kept[removed] = False
    first = problem.objective(problem.feasible_point())
    expected = min(first, problem.objective(x_kept))
    assert thinet.solve(problem, Limits()).objective == pytest.approx(expected)


def test_two_channels_that_cancel_go_together():
    """x_1 = -x_0: ThiNet sees that both together are worth nothing."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((50, 5))
    x[:, 1] = -x[:, 0]
    problem = ReconstructionSelection.from_layer(x.T @ x, np.ones((5, 2)), 3)
    # The dense weights on x_0 and x_1 count as they are, not as a refit makes them.
    solution = thinet.solve(problem, Limits())
    assert solution.x.tolist() == [False, False, True, True, True]
    assert solution.objective == pytest.approx(0, abs=1e-9)


def test_the_lasso_has_as_many_gates_open_as_it_keeps():
    problem = layer(20, 2, 5, 8)
    form = working_form(problem)
    parts = gates(form, 20)
    *_, beta = lasso._path(parts, 8)
    assert np.count_nonzero(beta) == 8
    rest = parts.t - parts.Q @ beta
    is_open = beta != 0
    penalty = np.abs(rest[is_open]).mean()
    np.testing.assert_allclose(np.abs(rest[is_open]), penalty, rtol=1e-5)
    assert (np.abs(rest[~is_open]) <= penalty * (1 + 1e-5)).all()
    solution = lasso.solve(problem, Limits())
    at_gates, first = problem.objective(is_open), problem.feasible_point()
    assert solution.objective == min(at_gates, problem.objective(first))


@pytest.mark.parametrize("method", [lasso, thinet])
@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_feasible_scored_and_fitted(
    method: Any, family: str, values: Callable[..., Any]
):
    problem = FAMILIES[family](8, 1)
    solution = method.solve(problem, Limits())
    assert solution.x.dtype == bool and problem.violation(solution.x) == 0
    assert solution.objective == problem.objective(solution.x)
    assert (solution.extra["weights"] == problem.refit(solution.x)).all()
    assert solution.bound == -np.inf and solution.stop is Stop.FINISHED
    best = min(values(problem))
    assert solution.objective >= best - 1e-9 * abs(best) - problem.resolution


@pytest.mark.parametrize("method", [lasso, thinet])
def test_limits_leave_a_feasible_point(method: Any):
    problem = layer(20, 2, 5, 8)
    for steps in (1, 2):
        solution = method.solve(problem, Limits(step_limit=steps))
        assert solution.stop is Stop.STEP_LIMIT
        assert problem.violation(solution.x) == 0
