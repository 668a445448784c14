"""The front door: dispatch, options, limits, fixings, and every refusal."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest

import ccsolve
from ccsolve import ChannelSelection, Claim, Solution, Stop, api, testing
from ccsolve.errors import InvalidProblem, UnknownMethod, Unsupported, WrongAnswer
from ccsolve.handling.selection import SELECTION
from ccsolve.registry import TABLE, Kind, rows_of

SMALL = testing.problem("indefinite", n=8)
METHODS = {row.name: row for row in rows_of(ChannelSelection)}
LARGE = testing.problem("cancelling", n=60)


def test_small_programs_are_proven():
    assert ccsolve.pick(SMALL) == "enumerate_all"
    solution = ccsolve.solve(SMALL)
    assert solution.claim() is Claim.OPTIMAL
    assert solution.objective == pytest.approx(testing.brute_force(SMALL)[1])
    assert solution.method == "enumerate_all"


def test_large_programs_get_a_point_and_a_bound():
    large = testing.problem("cancelling", n=200)
    assert ccsolve.pick(large) == "branch_and_bound"
    solution = ccsolve.solve(large, time_limit=0.5)
    assert solution.stop is Stop.TIME_LIMIT
    assert -math.inf < solution.bound < solution.objective
    assert solution.claim() is Claim.FEASIBLE
    assert solution.natural_scale > solution.objective


def test_pick_counts_the_free_channels_only():
    fixed = np.full(60, -1)
    fixed[:50] = 0
    problem = ChannelSelection(np.eye(60), keep=5, fixed=fixed)
    assert ccsolve.pick(problem) == "enumerate_all"
    assert ccsolve.solve(problem).claim() is Claim.OPTIMAL


@pytest.mark.parametrize("keep", [0, 4])
def test_a_single_point_is_returned_at_once(keep: int):
    problem = ChannelSelection(np.eye(4), keep=keep, constant=2.0)
    for method in ("auto", "tabu", "convex_relaxation"):
        solution = ccsolve.solve(problem, method)
        assert solution.claim() is Claim.OPTIMAL
        assert solution.x.sum() == keep
        assert solution.objective == 2.0 + keep


def test_an_empty_problem_has_one_point():
    solution = ccsolve.solve(ChannelSelection(np.empty((0, 0)), constant=1.0))
    assert solution.claim() is Claim.OPTIMAL
    assert solution.objective == 1.0


def test_methods_lists_what_applies():
    names = {row.name for row in ccsolve.methods(LARGE)}
    assert "tabu" in names
    assert "enumerate_all" not in names
    assert ccsolve.methods() == TABLE
    assert len({(row.problem, row.name) for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_loads_and_is_described(row):
    assert row.summary
    assert row.load().__doc__
    assert isinstance(row.kind, Kind)


def test_unknown_methods_are_refused_with_the_known():
    with pytest.raises(UnknownMethod, match=r"no method 'magic'.*known: auto, greedy"):
        ccsolve.solve(SMALL, "magic")


def test_a_method_that_cannot_take_the_size_says_so():
    with pytest.raises(Unsupported, match="takes n <= 40, given n = 60"):
        ccsolve.solve(LARGE, "enumerate_all")


def test_unknown_options_are_refused_with_the_known():
    with pytest.raises(Unsupported, match=r"no option 'temperature'; its options: .*"):
        ccsolve.solve(SMALL, "local_search", temperature=1.0)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"time_limit": -1.0}, "time_limit = -1.0"),
        ({"time_limit": math.nan}, "time_limit = nan"),
        ({"gap": -0.1}, "gap = -0.1"),
        ({"gap": "small"}, "gap = 'small'"),
        ({"step_limit": 0}, "step_limit = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 0.5}, "seed = 0.5"),
        ({"callback": 3}, "callback is a int"),
    ],
)
def test_malformed_limits_are_refused(limits, message):
    with pytest.raises(InvalidProblem, match=message):
        ccsolve.solve(SMALL, "tabu", **limits)


@pytest.mark.parametrize("call", [ccsolve.solve, ccsolve.pick, ccsolve.methods])
def test_what_is_no_problem_is_refused(call):
    with pytest.raises(InvalidProblem, match="given a ndarray"):
        call(np.eye(3))


def test_the_callback_sees_points_of_the_original_problem():
    fixed = np.full(30, -1)
    fixed[:3] = 1
    problem = ChannelSelection(np.eye(30), keep=10, fixed=fixed)
    seen = []
    ccsolve.solve(problem, "greedy", callback=lambda progress: seen.append(progress.x))
    assert seen
    assert all(problem.violation(x) == 0 for x in seen)


def test_an_interrupt_before_the_first_step_still_gives_a_point(monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ccsolve.solvers.selection.greedy.solve", interrupted)
    solution = ccsolve.solve(SMALL, "greedy")
    assert solution.stop is Stop.INTERRUPTED
    assert SMALL.violation(solution.x) == 0


def test_kernels_are_compiled_before_the_clock_starts(monkeypatch):
    calls = []
    real = METHODS["greedy"].load()

    def watched(problem, limits, **options):
        calls.append((problem, limits.seconds()))
        time.sleep(0.02)
        return real(problem, limits, **options)

    monkeypatch.setattr("ccsolve.solvers.selection.greedy.solve", watched)
    api._compile.cache_clear()
    ccsolve.solve(SMALL, "greedy")
    (compiling, _), (solving, elapsed) = calls
    assert compiling is not SMALL
    assert solving is SMALL
    assert elapsed < 0.02
    ccsolve.solve(SMALL, "greedy")
    assert len(calls) == 3


def test_an_interrupt_while_compiling_ends_the_solve(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    # Within the trial solve, whose own loop takes Ctrl-C for the end of its run.
    monkeypatch.setattr(
        "ccsolve.solvers.selection.local_search.engine_for", interrupted
    )
    api._compile.cache_clear()
    tiny = ChannelSelection(-np.eye(6), keep=2)
    solution = ccsolve.solve(tiny, "local_search", time_limit=None)
    assert solution.stop is Stop.INTERRUPTED
    assert solution.extra == {}


def test_an_interrupt_before_the_run_gives_a_point(monkeypatch: pytest.MonkeyPatch):
    def interrupted(_: object) -> float:
        raise KeyboardInterrupt

    record = replace(SELECTION, natural_scale=interrupted)
    monkeypatch.setattr(api, "handling_of", lambda problem: record)
    solution = ccsolve.solve(SMALL, "greedy")
    assert solution.stop is Stop.INTERRUPTED and SMALL.violation(solution.x) == 0
    assert math.isnan(solution.natural_scale) and solution.method == "greedy"
    assert not solution.cancels


def test_an_interrupt_before_anything_gives_a_point(monkeypatch: pytest.MonkeyPatch):
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    fixed = [1, 0, -1, -1, -1, -1, -1, -1]
    problem = ChannelSelection(SMALL.Q, keep=4, fixed=fixed)
    record = replace(SELECTION, reduced=interrupted)
    monkeypatch.setattr(api, "handling_of", lambda problem: record)
    solution = ccsolve.solve(problem)
    assert solution.stop is Stop.INTERRUPTED and problem.violation(solution.x) == 0


def test_an_interrupt_while_checking_keeps_the_answer(monkeypatch: pytest.MonkeyPatch):
    calls = []

    def once(problem: ChannelSelection, solution: Solution) -> None:
        calls.append(solution)
        if len(calls) == 1:
            raise KeyboardInterrupt

    best = ccsolve.solve(SMALL)
    monkeypatch.setattr(api, "verify", once)
    solution = ccsolve.solve(SMALL)
    assert solution.stop is Stop.INTERRUPTED and len(calls) == 2
    assert (solution.objective, solution.bound) == (best.objective, best.bound)


@pytest.mark.parametrize(
    ("x", "bound"),
    [(np.zeros(8, dtype=bool), -math.inf), (testing.brute_force(SMALL)[0], 1e9)],
)
def test_every_answer_is_verified(
    monkeypatch: pytest.MonkeyPatch, x: np.ndarray, bound: float
):
    def wrong(problem: ChannelSelection, limits: object) -> Solution:
        return Solution(x, 0.0, bound, Stop.FINISHED)

    monkeypatch.setattr("ccsolve.solvers.selection.greedy.solve", wrong)
    with pytest.raises(WrongAnswer):
        ccsolve.solve(SMALL, "greedy")
