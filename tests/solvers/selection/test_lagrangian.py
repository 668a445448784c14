"""The priced budget: proofs at every price, order of bounds, prices, points."""

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.generate import cancelling, loss_model
from ccsolve.registry import find, methods
from ccsolve.solvers.selection.relaxing import lagrangian_probes

UNLIMITED = {"time_limit": None, "gap": 0.0}
BUDGETED = ("budgeted", "budget_only", "factored_budget")


def bound(problem: ChannelSelection, method: str) -> float:
    return solve(problem, method, **UNLIMITED).bound


def with_budget(problem: ChannelSelection, share: float, seed: int) -> ChannelSelection:
    """Give the problem with random costs and a share of what all of them add up to."""
    cost = np.random.default_rng(seed).uniform(1.0, 10.0, problem.n)
    return ChannelSelection(
        problem.Q, problem.q, problem.keep, cost=cost, budget=share * cost.sum()
    )


def test_without_a_budget_there_is_nothing_to_price():
    problem = cancelling(9)
    assert "lagrangian" not in {row.name for row in methods(problem)}
    with pytest.raises(Unsupported, match="'lagrangian' takes problems with a budget"):
        solve(problem, "lagrangian")
    assert find("lagrangian", testing.problem("budgeted")).needs


@pytest.mark.parametrize("family", BUDGETED)
def test_the_bound_is_between_the_convex_one_and_that_of_sdp(family: str):
    problem = testing.problem(family, 20, 1)
    weak, middle, strong = (
        bound(problem, name) for name in ("convex_relaxation", "lagrangian", "sdp")
    )
    assert weak <= middle <= strong + 1e-3 * abs(strong)


def test_the_semidefinite_dual_makes_it_much_better_than_the_convex_relaxation():
    problem = with_budget(cancelling(30, 12, seed=1), 0.3, 0)
    weak, middle, strong = (
        bound(problem, name) for name in ("convex_relaxation", "lagrangian", "sdp")
    )
    assert middle >= weak + 0.5 * (strong - weak)


@pytest.mark.parametrize("dense", [True, False])
def test_bounds_hold_for_all_kinds_of_budgets(
    dense: bool, monkeypatch: pytest.MonkeyPatch
):
    if not dense:
        monkeypatch.setattr(lagrangian_probes, "DENSE_CHANNELS", 0)
    rng = np.random.default_rng(5)
    for trial in range(25):
        n = int(rng.integers(2, 12))
        A = rng.standard_normal((n, n))
        keep = None if trial % 3 == 0 else int(rng.integers(1, n))
        cost = rng.integers(0, 4, n) * 10.0 ** float(rng.choice([-6, 0, 6]))
        least = float(np.sort(cost)[: keep or 0].sum())
        budget = least + float(rng.choice([0.0, 0.3, 1.0])) * (cost.sum() - least)
        scale = 10.0 ** float(rng.choice([-12, 0, 12]))
        problem = ChannelSelection(
            scale * (A + A.T), keep=keep, cost=cost, budget=budget
        )
        testing.check_answer("lagrangian", problem, step_limit=80)


def test_a_loose_budget_has_no_price():
    problem = with_budget(cancelling(20, seed=3), 1.0, 0)
    found = solve(problem, "lagrangian", **UNLIMITED)
    assert found.duals["budget"][0] == pytest.approx(0.0, abs=1e-9)
    free = cancelling(20, seed=3)
    assert found.bound == pytest.approx(bound(free, "qcr"), rel=1e-3)


def test_the_price_proves_bounds_for_other_budgets():
    # L(t) at the price found moves by price·change with the budget, and stays a bound.
    problem = testing.problem("budgeted", 14, 2)
    assert problem.cost is not None and problem.budget is not None
    found = solve(problem, "lagrangian", **UNLIMITED)
    price = float(found.duals["budget"][0])
    assert price >= 0.0
    for more in (-4.0, 4.0, 20.0):
        other = ChannelSelection(
            problem.Q,
            problem.q,
            problem.keep,
            problem.constant,
            cost=problem.cost,
            budget=problem.budget + more,
        )
        room = 1e-9 * abs(found.bound)
        assert testing.brute_force(other)[1] >= found.bound - price * more - room


def test_large_programs_are_priced_by_the_box_qp(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lagrangian_probes, "DENSE_CHANNELS", 0)
    problem = with_budget(loss_model(60, 25, 64), 0.3, 1)
    weak, found = (bound(problem, m) for m in ("convex_relaxation", "lagrangian"))
    assert found == pytest.approx(weak, rel=1e-4)


def test_points_are_near_the_budget():
    problem = with_budget(cancelling(60, 30, seed=4), 0.4, 2)
    found = solve(problem, "lagrangian", **UNLIMITED)
    assert problem.cost is not None and problem.budget is not None
    assert problem.violation(found.x) == 0
    assert problem.cost[found.x].sum() >= 0.9 * problem.budget


@pytest.mark.parametrize("option", [{"tolerance": -1.0}, {"roundings": -1}])
def test_malformed_options_are_refused(option: dict):
    with pytest.raises(InvalidProblem):
        solve(testing.problem("budgeted"), "lagrangian", **option)
