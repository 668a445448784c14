"""Greedy and searches on networks: within the budgets, and how good."""

import itertools
from typing import Any

import numpy as np
import pytest

from ccsolve import NetworkSelection, WidthBudget, solve, testing
from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate_network import FAMILIES, chain
from ccsolve.solvers.network.searching.engine import engine_of
from ccsolve.solvers.network.searching.pool import Elites


def widened(problem: NetworkSelection, x: np.ndarray) -> list[np.ndarray]:
    """Give the points with one step of width more, by every choice of channels."""
    found, k = [], problem.widths_of(x)
    fixed = np.full(problem.n, -1) if problem.fixed is None else problem.fixed
    for g, own in enumerate(problem.members):
        wider = problem.widths[g][problem.widths[g] > k[g]]
        out = [i for i in own if not x[i] and fixed[i] == -1]
        for added in (
            itertools.combinations(out, int(wider[0] - k[g])) if len(wider) else ()
        ):
            z = x.copy()
            z[list(added)] = True
            found.append(z)
    return found


@pytest.mark.parametrize("method", ["greedy", "local_search", "tabu", "exchange"])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_step_that_fits_can_be_put_back(method: str, family: str):
    for seed in range(3):
        problem = FAMILIES[family](seed)
        found = solve(problem, method, time_limit=None, step_limit=60)
        for z in widened(problem, found.x):
            worse = problem.objective(z) > found.objective - problem.resolution
            assert worse or problem.violation(z) > 0


@pytest.mark.parametrize("method", ["local_search", "tabu", "exchange"])
@pytest.mark.parametrize("family", FAMILIES)
def test_searches_find_small_optima(method: str, family: str):
    for seed in range(2):
        problem = FAMILIES[family](seed)
        found = solve(problem, method, time_limit=None)
        optimum = testing.brute_force(problem)[1]
        assert found.objective == pytest.approx(optimum)


@pytest.mark.parametrize("family", FAMILIES)
def test_prices_of_budgets_are_what_room_is_worth(family: str):
    problem = FAMILIES[family](0)
    engine = engine_of(problem, 0)
    list(engine.shrunk())
    prices = engine.prices()
    assert prices.shape == (len(problem.budgets),)
    assert (prices >= 0).all()
    slack = problem.spent(engine.best()) < 0.89 * problem.limits
    assert not prices[slack].any()


def test_the_price_of_a_linear_budget_is_found():
    """Each channel costs 2 and gains about 6: a unit of budget is worth 3."""
    gain = -np.linspace(5.9, 6.1, 12)
    budget = WidthBudget(12.0, {0: 2.0, 1: 2.0, 2: 2.0})
    labels = np.repeat(np.arange(3), 4)
    problem = NetworkSelection(np.zeros((12, 12)), gain, labels, [budget])
    engine = engine_of(problem, 0)
    list(engine.shrunk())
    assert engine.prices() == pytest.approx([3.0], rel=0.05)


def test_chains_trade_a_dear_channel_for_cheap_ones():
    """No swap and no pair of steps leads there: one in for three out."""
    labels = [0, 0, 1, 1, 1]
    gain = np.array([-10.0, -1.0, -3.0, -3.0, -3.0])
    budget = WidthBudget(3.0, {0: 3.0, 1: 1.0})
    problem = NetworkSelection(np.zeros((5, 5)), gain, labels, [budget])
    engine = engine_of(problem, 0)
    engine.start(np.array([0, 0, 1, 1, 1], dtype=bool))
    list(engine.descended())
    assert engine.best().tolist() == [True, False, False, False, False]


def test_searches_keep_many_budgets_of_products():
    made = chain([6, 7, 6], 0, tables=True, share=0.4, coupled=True)
    for method in ("greedy", "local_search", "tabu", "exchange"):
        found = solve(made, method, time_limit=None, step_limit=80)
        assert (made.spent(found.x) <= made.limits).all()


def test_other_seeds_and_options_search_elsewhere(coupled: NetworkSelection):
    testing.check_option("local_search", coupled, "restarts", (0, 3), step_limit=400)
    testing.check_option("local_search", coupled, "kick", (1, 6), step_limit=400)
    testing.check_option("tabu", coupled, "restarts", (0, 3), step_limit=400)
    testing.check_option("tabu", coupled, "patience", (1, 4000), step_limit=30)
    testing.check_option("exchange", coupled, "restarts", (0, 3), step_limit=400)
    testing.check_option("exchange", coupled, "patience", (1, 4000), step_limit=30)
    testing.check_option("search_and_bound", coupled, "turns", (0, 9), step_limit=250)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("local_search", {"restarts": -1}),
        ("local_search", {"kick": 0}),
        ("tabu", {"tenure": 0}),
        ("tabu", {"patience": 0.5}),
        ("exchange", {"patience": 0}),
        ("exchange", {"restarts": 1.5}),
        ("search_and_bound", {"turns": True}),
    ],
)
def test_malformed_options_are_refused(method: str, options: dict[str, Any]):
    with pytest.raises(InvalidProblem, match="expected a whole number"):
        solve(FAMILIES["chain"](0), method, **options)


def test_elites_are_the_best_that_differ():
    elites, points = Elites(3), np.eye(5, dtype=bool)
    for value in (3.0, 1.0, 4.0, 0.0, 2.0, 1.0):
        elites.add(value, points[int(value)].copy())
    assert [value for value, _ in elites.points] == [0.0, 1.0, 2.0]
    assert elites.bar(0.5, 1.0) == 2.5 and elites.bar(0.0, 9.0) == 2.0
    assert Elites(1).bar(1.0, 0.0) == np.inf
    assert not elites.add(7.0, points[1].copy())


def test_elites_count_what_is_no_better_and_forget_all_but_the_best():
    elites, points, stale = Elites(2), np.eye(5, dtype=bool), []
    for value in (3.0, 2.0, 4.0, 2.0, 1.0, 3.0):
        elites.add(value, points[int(value)].copy())
        stale.append(elites.stale)
    assert stale == [0, 0, 1, 2, 0, 1] and elites.is_full
    elites.forget()
    assert [value for value, _ in elites.points] == [1.0]
    assert elites.stale == 0 and not elites.is_full
    assert elites.add(9.0, points[0].copy()) and elites.stale == 0


def test_a_search_without_progress_begins_anew(monkeypatch: pytest.MonkeyPatch):
    """On a small program beams find nothing new after a few."""
    left, forget = [], Elites.forget

    def noted(elites: Elites) -> None:
        least = min(value for value, _ in elites.points)
        forget(elites)
        left.append(elites.points[0][0] == least and len(elites.points) == 1)

    monkeypatch.setattr(Elites, "forget", noted)
    problem = chain([6, 5, 6], 0, coupled=True)
    solve(problem, "search_and_bound", time_limit=None, step_limit=600)
    assert len(left) > 1 and all(left)


def test_where_a_beam_ends_is_reported():
    """All points of 10 channels are best: nothing that follows a beam is better."""
    labels = np.repeat(np.arange(6), 10)
    products = {(g, g + 1): 1.0 for g in range(5)}
    budgets = [
        WidthBudget(150.0, {}, products),
        WidthBudget(30.0, dict.fromkeys(range(6), 1.0)),
    ]
    problem = NetworkSelection(np.ones((60, 60)), np.full(60, -20.0), labels, budgets)
    found = solve(problem, "search_and_bound", time_limit=None, step_limit=60)
    assert found.objective == pytest.approx(-100.0)
