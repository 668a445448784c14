"""`ccsolve bench`: side by side, on suites and files; bad input in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import ccsolve
from ccsolve.bench.runs import RAN, read_runs
from ccsolve.bench.side_by_side import RANKING
from ccsolve.cli import bench_run
from ccsolve.cli.program import app
from ccsolve.problems.generate import cancelling

FEW = ("--methods", "diagonal,greedy,convex_relaxation", "--time-limit", 0.2)


def call(*args: object) -> Result:
    result = CliRunner().invoke(app, ["bench", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.npz"
    ccsolve.write(path, cancelling(14))
    return path


def test_a_suite_has_tables_rows_and_figures(tmp_path: Path):
    rows, plots = tmp_path / "rows.jsonl", tmp_path / "plots"
    sizes = ("--sizes", "10,20")
    result = call("cancelling", *FEW, *sizes, "-o", rows, "--figures", plots)
    assert result.exit_code == 0, result.output
    for word in ("cancelling-10", "cancelling-20", "diagonal", "Proven best", "All 2"):
        assert word in result.stdout
    assert len(read_runs(rows)) == 6
    names = {path.name for path in plots.iterdir()}
    assert names == {
        f"{name}.{kind}"
        for name in ("anytime", "points_by_n", "bounds_by_n")
        for kind in ("png", "svg")
    }


def test_your_own_file_and_json(file: Path):
    result = call(file, *FEW, "--seeds", 2, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout, parse_constant=pytest.fail)
    assert found["programs"] == 1 and found["refuted"] == [] and found["versions"]
    assert {row["instance"] for row in found["rows"]} == {"mine.npz"}
    assert [row["competitor"] for row in found["rows"]][:2] == [RANKING, "greedy"]


def test_all_methods_of_a_small_program(file: Path):
    result = call(file, "--time-limit", 0.05, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert all(row["status"] == RAN for row in rows)
    assert len({row["competitor"] for row in rows}) == len(rows) > 5
    best = min(row["objective"] for row in rows)
    assert all(row["bound"] is None or row["bound"] <= best + 1e-9 for row in rows)


def test_a_method_that_does_not_fit_is_said(tmp_path: Path):
    path = tmp_path / "large.npz"
    ccsolve.write(path, cancelling(50))
    result = call(path, "--methods", "greedy,enumerate_all")
    assert result.exit_code == 0 and "does not fit" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nothing",), "no file and no suite"),
        (("--methods", "tabbu"), "no method 'tabbu'"),
        (("--time-limit", "nan"), "time-limit"),
        (("--seeds", 0), "seeds"),
        (("cancelling", "--sizes", "a"), "sizes"),
        (("cancelling", "--sizes", "1"), "sizes"),
        (("-o", "rows.txt"), "expected .jsonl"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[object, ...], word: str):
    result = call(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and word in result.stderr


def test_a_file_that_is_no_problem(tmp_path: Path):
    path = tmp_path / "empty.npz"
    path.write_bytes(b"")
    result = call(path)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


def test_an_interrupt_keeps_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    original = bench_run.runs_of

    def second_interrupts(suite: str, entry: Any, name: str, *rest: Any) -> Any:
        if name == "greedy":
            raise KeyboardInterrupt
        return original(suite, entry, name, *rest)

    monkeypatch.setattr(bench_run, "runs_of", second_interrupts)
    rows = tmp_path / "rows.jsonl"
    result = call("cancelling", *FEW, "--sizes", "10", "-o", rows)
    assert result.exit_code == 130
    assert [run.competitor for run in read_runs(rows)] == [RANKING]


def test_a_refuted_bound_is_loud(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_run, "refutations", lambda rows: ["the bound is wrong"])
    result = call(file, *FEW)
    assert result.exit_code == 1 and "the bound is wrong" in result.stderr


def test_the_quick_suite_is_the_one_without_arguments():
    result = call("--methods", "diagonal", "--json")
    assert json.loads(result.stdout)["programs"] == 5


def test_an_unconstrained_program_can_be_compared(tmp_path: Path):
    path = tmp_path / "free.npz"
    ccsolve.write(path, ccsolve.ChannelSelection(-np.eye(6)))
    result = call(path, "--time-limit", 0.05)
    assert result.exit_code == 0, result.output
