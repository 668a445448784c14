"""Every method for ChannelSelection on every family of programs.

A new row is tested before its author writes a test. The option trials must name
every option of every method: one that changes nothing fails here.
"""

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.problems.generate import FAMILIES
from ccsolve.registry import reason_against, rows_of

ROWS = rows_of(ChannelSelection)
NAMES = [row.name for row in ROWS]
METHODS = {row.name: row for row in ROWS}


def takes(method: str, problem: ChannelSelection) -> bool:
    """Whether the method can take the constraints, fixings apart."""
    return reason_against(METHODS[method], problem) is None


PAIRS = [
    (method, family)
    for method in NAMES
    for family in FAMILIES
    if takes(method, testing.problem(family, 9))
]


@pytest.mark.parametrize(("method", "family"), PAIRS)
def test_answers_hold(method: str, family: str):
    for n, seed in ((4, 0), (9, 1), (10, 2)):
        testing.check_answer(method, testing.problem(family, n, seed))


@pytest.mark.parametrize(("method", "family"), PAIRS)
def test_limits_seeds_and_callbacks_hold(method: str, family: str):
    testing.check_method(method, testing.problem(family, 9, 3))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "family"), PAIRS)
def test_answers_hold_on_many_programs(method: str, family: str):
    for seed in range(5 if method == "milp" else 25):
        for n in (4, 5, 8, 11):
            testing.check_answer(method, testing.problem(family, n, seed))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("method", NAMES)
def test_the_smallest_sizes(method: str, n: int):
    rng = np.random.default_rng(n)
    A = rng.standard_normal((n, n))
    needs = {"cost": np.ones(n), "budget": n} if METHODS[method].needs else {}
    for keep in (None, *range(n + 1)):
        testing.check_answer(method, ChannelSelection(A + A.T, keep=keep, **needs))


LARGER = [row.name for row in ROWS if row.max_size is None]


@pytest.mark.parametrize(
    ("method", "family"),
    [
        (method, family)
        for method, family in PAIRS
        if method in LARGER
        and family in ("cancelling", "factored", "budgeted", "k_cluster")
    ],
)
def test_larger_programs(method: str, family: str):
    solution = testing.check_answer(method, testing.problem(family, 150, 0))
    assert solution.objective < np.inf


HARD = testing.problem("cancelling", 120, 1)
FIRST = np.arange(120) < 60
LAST = ~FIRST

OPTION_TRIALS = {
    ("greedy", "direction"): ("add", "delete"),
    ("local_search", "seed"): (0, 1),
    ("local_search", "starts"): (1, 5),
    ("local_search", "start"): (FIRST, LAST),
    ("tabu", "seed"): (0, 1),
    ("tabu", "tenure"): (1, 20),
    ("tabu", "patience"): (10, 1000),
    ("tabu", "candidates"): (1, 4),
    ("tabu", "population"): (2, 6),
    ("tabu", "sweeps"): (1, 50),
    ("tabu", "restarts"): (1, 2),
    ("tabu", "start"): (FIRST, LAST),
    ("annealing", "seed"): (0, 1),
    ("annealing", "sweeps"): (10, 100),
    ("annealing", "runs"): (1, 3),
    ("annealing", "start"): (FIRST, LAST),
    ("convex_relaxation", "seed"): (0, 1),
    ("convex_relaxation", "tolerance"): (1e-1, 1e-6),
    ("convex_relaxation", "roundings"): (0, 8),
    ("sdp", "seed"): (0, 1),
    ("sdp", "tolerance"): (1e-1, 1e-6),
    ("sdp", "roundings"): (0, 8),
    ("dnn", "seed"): (0, 1),
    ("dnn", "tolerance"): (1e-1, 1e-6),
    ("dnn", "roundings"): (0, 8),
    ("dnn_triangles", "seed"): (0, 1),
    ("dnn_triangles", "tolerance"): (1e-1, 1e-6),
    ("dnn_triangles", "roundings"): (0, 8),
    ("dnn_triangles", "cuts"): (10, 1000),
    ("qcr", "seed"): (0, 1),
    ("qcr", "tolerance"): (1e-1, 1e-6),
    ("qcr", "roundings"): (0, 8),
    ("lagrangian", "seed"): (0, 1),
    ("lagrangian", "tolerance"): (1e-1, 1e-6),
    ("lagrangian", "roundings"): (0, 8),
    ("sdp_cvxpy", "cone"): ("sdp", "dnn"),
    ("sdp_cvxpy", "solver"): ("CLARABEL", "SCS"),
    ("sdp_cvxpy", "tolerance"): (1e-2, 1e-8),
    ("sdp_cvxpy", "roundings"): (0, 8),
    ("search_and_bound", "seed"): (0, 1),
    ("search_and_bound", "patience"): (1, 50),
    ("branch_and_bound", "seed"): (0, 1),
    ("branch_and_bound", "cuts"): (0, 25),
}


def test_every_option_has_a_trial():
    options = {(name, option) for name in NAMES for option in METHODS[name].options()}
    assert options == set(OPTION_TRIALS)


PRICED = ChannelSelection(
    testing.problem("cancelling", 120, 3).Q,
    keep=60,
    cost=np.arange(1.0, 121.0),
    budget=2800.0,
)
LATE = {
    ("tabu", "restarts"): (testing.problem("cancelling", 60, 1), 3000),
    ("search_and_bound", "seed"): (testing.problem("cancelling", 400, 1), 200),
    ("branch_and_bound", "cuts"): (testing.problem("indefinite", 80, 1), 900),
    ("sdp", "seed"): (testing.problem("cancelling", 90, 3), 300),
    ("dnn", "seed"): (testing.problem("cancelling", 90, 3), 300),
    ("dnn_triangles", "seed"): (testing.problem("cancelling", 90, 3), 300),
    ("qcr", "seed"): (testing.problem("cancelling", 90, 3), 300),
    **{
        ("lagrangian", option): (PRICED, 1000)
        for option in METHODS["lagrangian"].options()
    },
    **{
        ("sdp_cvxpy", option): (testing.problem("cancelling", 14, 3), 300)
        for option in METHODS["sdp_cvxpy"].options()
    },
}
"""Trials whose option acts late in a run, or soon where it is slow: program, steps."""

QUICK = {
    "tabu": {"patience": 20},
    "sdp": {"tolerance": 1e-2},
    "dnn": {"tolerance": 1e-2},
    "dnn_triangles": {"tolerance": 1e-2},
    "qcr": {"tolerance": 1e-2},
    "lagrangian": {"tolerance": 1e-2},
}
"""Options that end a method's run soon, unless they are on trial."""


@pytest.mark.parametrize("trial", OPTION_TRIALS, ids=".".join)
def test_every_option_changes_the_run(trial: tuple[str, str]):
    method, option = trial
    problem, step_limit = LATE.get(trial, (HARD, 300))
    quick = QUICK.get(method, {})
    others = {key: value for key, value in quick.items() if key != option}
    testing.check_option(
        method, problem, option, OPTION_TRIALS[trial], step_limit=step_limit, **others
    )
