"""Runs side by side: scored, told apart, and held to each other."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ccsolve.bench import reading, side_by_side, suites
from ccsolve.bench.recording import recorded
from ccsolve.bench.runs import FAILED, MISFIT, RAN, Run, line_of, read_runs, write_runs
from ccsolve.bench.side_by_side import RANKING, Entry, default_methods, runs_of
from ccsolve.errors import InvalidFile, UnknownMethod, Unsupported, WrongAnswer
from ccsolve.problems import ChannelSelection
from ccsolve.problems.generate import cancelling
from ccsolve.registry import reason_against, rows_of
from ccsolve.solution import Solution, Stop


def entry(n: int = 12) -> Entry:
    return Entry("made-up", f"made-up-{n}", cancelling(n))


def run(**fields: object) -> Run:
    key = ("test", "one", "made-up", 8, 4, "ours", 0, 1.0)
    return replace(Run(*key), **fields)  # pyright: ignore[reportArgumentType]


def test_curves_are_monotone_and_end_at_the_solution():
    problem = cancelling(40)
    record = recorded(problem, "search_and_bound", 0.3)
    values = [problem.objective(z) for _, z in record.points]
    assert values[-1] == min(values) == record.solution.objective
    bounds = [bound for _, bound in record.bounds]
    assert bounds == sorted(bounds) and bounds[-1] == record.solution.bound
    assert all(at <= record.solution.seconds for at, _ in record.points)


def test_a_target_ends_a_run():
    assert recorded(cancelling(40), "tabu", 60.0, target=1e9).solution.seconds < 10.0


def test_every_method_that_applies_is_run_once():
    problem = entry().problem
    names = default_methods(problem)
    assert names[0] == RANKING and "tabu" in names
    assert not set(names) & set(side_by_side.ORACLES)
    for name in (RANKING, "greedy", "auto"):
        (only,) = runs_of("test", entry(), name, 0.2, 1)
        z = np.unpackbits(np.frombuffer(bytes.fromhex(only.kept), np.uint8), count=12)
        assert only.status == RAN and z.sum() == problem.keep
        assert problem.objective(z) == only.objective == only.points[-1][1]


def test_seeds_are_for_what_uses_chance():
    assert len(list(runs_of("test", entry(), "local_search", 0.1, 3))) == 3
    assert len(list(runs_of("test", entry(), "greedy", 0.1, 3))) == 1
    assert len(list(runs_of("test", entry(), RANKING, 0.1, 3))) == 1


def test_a_method_that_cannot_take_it_says_so():
    (only,) = runs_of("test", entry(44), "enumerate_all", 0.1, 2)
    assert only.status == MISFIT and "n <= 40" in only.note
    free = Entry("made-up", "free", ChannelSelection(np.eye(4)))
    assert RANKING not in default_methods(free.problem)
    (only,) = runs_of("test", free, RANKING, 0.1, 1)
    assert only.status == MISFIT


@pytest.mark.parametrize(
    ("error", "status"), [(WrongAnswer("bad"), FAILED), (Unsupported("bad"), MISFIT)]
)
def test_what_a_run_raises_is_data(
    error: Exception, status: str, monkeypatch: pytest.MonkeyPatch
):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(side_by_side, "recorded", fail)
    (only,) = runs_of("test", entry(), "greedy", 0.1, 1)
    assert (only.status, only.note) == (status, "bad")


def test_every_method_is_warmed_up_on_what_it_can_take(
    monkeypatch: pytest.MonkeyPatch,
):
    warmed = {}

    def solved(problem: ChannelSelection, method: str, *args: object, **options: int):
        warmed[method] = problem
        return Solution(None, math.inf, -math.inf, Stop.STEP_LIMIT)

    monkeypatch.setattr(side_by_side, "solve", solved)
    side_by_side.warm_up.cache_clear()
    for row in rows_of(ChannelSelection):
        side_by_side.warm_up(row.name)
        assert reason_against(row, warmed[row.name]) is None
        assert (warmed[row.name].cost is not None) == bool(row.needs)
    side_by_side.warm_up.cache_clear()


def test_an_interrupt_of_the_warming_up_is_the_callers(
    monkeypatch: pytest.MonkeyPatch,
):
    stopped = recorded(entry().problem, "greedy", 1.0).solution
    interrupted = replace(stopped, stop=Stop.INTERRUPTED)
    monkeypatch.setattr(side_by_side, "solve", lambda *args, **options: interrupted)
    side_by_side.warm_up.cache_clear()
    with pytest.raises(KeyboardInterrupt):
        next(runs_of("test", entry(), "greedy", 0.1, 1))


def test_unknown_names_are_refused_with_those_that_exist():
    side_by_side.require_known([RANKING, "auto", "tabu"])
    with pytest.raises(UnknownMethod, match=r"no method 'tabbu'.*tabu"):
        side_by_side.require_known(["tabbu"])


def test_rows_survive_the_file(tmp_path: Path):
    runs = [run(points=((0.1, 2.0),), objective=2.0), run(competitor="other")]
    path = tmp_path / "rows.jsonl"
    write_runs(path, runs)
    assert [line_of(r) for r in read_runs(path)] == [line_of(r) for r in runs]
    assert read_runs(path)[1].objective == math.inf
    assert math.isnan(read_runs(path)[1].seconds)


def test_of_rows_with_one_key_the_last_counts(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    write_runs(path, [run(objective=2.0), run(objective=1.0)])
    assert [r.objective for r in read_runs(path)] == [1.0]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"suite": "a"}', '{"colour": 1}', '{"suite": 1}']
)
def test_a_line_that_is_no_run_is_named(tmp_path: Path, line: str):
    path = tmp_path / "rows.jsonl"
    path.write_text(line_of(run()) + line + "\n")
    with pytest.raises(InvalidFile, match="line 2"):
        read_runs(path)


def test_what_runs_say():
    one = run(points=((0.1, 3.0), (0.5, 1.0)), bounds=((0.2, 0.5),), objective=1.0)
    assert reading.seconds_to(one, 3.0) == 0.1 and reading.seconds_to(one, 1.0) == 0.5
    assert reading.seconds_to(one, 0.9) == math.inf
    assert reading.seconds_to_bound(one, 0.5) == 0.2
    assert reading.value_at(one, 0.3) == 3.0 and reading.value_at(one, 0.0) == math.inf
    assert reading.bound_at(one, 0.1) == -math.inf and reading.bound_at(one, 9) == 0.5
    assert reading.best_value([one, run(best_known=0.7)]) == 0.7
    assert reading.above(1.5, -1.0) == 2.5 and math.isnan(reading.above(math.inf, 1.0))


def test_a_bound_above_a_point_is_named():
    point, bad = run(competitor="theirs", objective=1.0), run(bound=1.1)
    assert "theirs found a point of value 1.0" in str(
        *reading.refutations([point, bad])
    )
    assert not reading.refutations([point, run(bound=1.0, objective=1.0)])
    assert not reading.refutations([run(bound=5.0)])


def test_suites_have_programs():
    assert len(suites.entries("embedded")) == 54
    assert len(suites.entries("quick")) == 5
    for name in set(suites.SUITES) - {"embedded", "quick"}:
        found = suites.entries(name, [8, 16])
        assert [made.problem.n for made in found] == [8, 16]
    with pytest.raises(InvalidFile, match="no file and no suite"):
        suites.entries("nothing")
