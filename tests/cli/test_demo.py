"""The demo: every program has its rows, whatever the time."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ccsolve import api, data
from ccsolve.bench import comparison
from ccsolve.cli import demo_run
from ccsolve.cli.program import app
from ccsolve.handling.selection import SELECTION
from ccsolve.statistics import Group, Statistics

METHODS = ["diagonal", "L1 norm", "first-order", "greedy", "solver"]


def call(*args: object) -> Result:
    result = CliRunner().invoke(app, ["demo", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


@pytest.fixture
def two_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo run on a network of two small groups."""
    rng = np.random.default_rng(0)
    groups = {}
    for name, size in (("first", 6), ("second", 44)):
        rows = rng.normal(size=(80, size)) / 80
        groups[name] = Group(name, size, ggn_rows=rows, gradient=rng.normal(size=size))
    path = tmp_path / "net.safetensors"
    Statistics(groups).save(path)
    monkeypatch.setattr(data, "path", lambda name: path)


def test_the_network_that_ships(tmp_path: Path):
    result = call("--seconds", 0, "--json", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout, parse_constant=pytest.fail)
    assert found["programs"] == 54 and len(found["rows"]) == 54 * len(METHODS)
    assert {row["family"] for row in found["rows"]} == {"ggn", "fisher"}
    assert [row["method"] for row in found["rows"][:5]] == METHODS
    assert found["proven"] >= 18  # every group of 16 is enumerated
    for row in found["rows"]:
        assert row["keep"] == row["n"] // 2 and row["objective"] >= 0
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["objective"] for line in lines] == [
        row["objective"] for row in found["rows"]
    ]


def test_tables_fit_a_hundred_columns(two_groups: None, tmp_path: Path):
    result = call("--seconds", 0.5, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100 + len(str(tmp_path))
    # Long paths are broken where the line ends.
    text = result.stdout.replace("\n", "")
    for word in ("first", "second", "proven", "greedy", "sum/bound", "rows.jsonl"):
        assert word in text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "rows.jsonl",
        "objectives.png",
        "gaps.png",
    }


def test_jobs_give_the_same_programs(two_groups: None, tmp_path: Path):
    result = call("--seconds", 0.2, "--jobs", 2, "--json", "--output", tmp_path)
    rows = json.loads(result.stdout)["rows"]
    assert [row["instance"] for row in rows] == ["first"] * 4 + ["second"] * 4


def test_an_interrupt_keeps_what_was_solved(
    two_groups: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def first_only(*args: Any) -> Any:
        yield next(comparison.compare(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_run, "compare", first_only)
    result = call("--seconds", 1, "--json", "--output", tmp_path)
    assert result.exit_code == 130
    assert {row["instance"] for row in json.loads(result.stdout)["rows"]} == {"first"}


def test_an_interrupt_before_the_first_program_is_said(
    two_groups: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    # `solve` takes Ctrl-C for the end of its run: the demo must not go on after it.
    record = replace(SELECTION, natural_scale=interrupted)
    monkeypatch.setattr(api, "handling_of", lambda problem: record)
    result = call("--seconds", 5, "--output", tmp_path)
    assert result.exit_code == 130 and result.stdout == ""
    assert result.stderr == "error: interrupted after 0 programs\n"


@pytest.mark.parametrize(
    "options", [("--seconds", "nan"), ("--jobs", 0), ("--seed", -1)]
)
def test_bad_options(tmp_path: Path, options: tuple[object, ...]):
    result = call(*options, "--output", tmp_path / "out")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    result = call("--output", tmp_path / "file" / "out")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
