"""`ccsolve report`: a page of what is given, and one line for what is wrong."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Call = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
Refused = Callable[..., str]


@pytest.fixture
def plan(document: Document, network: Path, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    document("plan", network, "--macs", 0.5, "-o", path)
    return path


def test_a_plan_with_its_statistics(
    document: Document, plan: Path, network: Path, tmp_path: Path
):
    out = tmp_path / "page.html"
    found = document("report", plan, "--stats", network, "-o", out)
    assert found["output"] == str(out) and found["over"] == "macs"
    assert found["plans"]["plan"]["widths"] == {"conv1": 4}
    assert found["points"] > 2
    assert out.read_text("utf-8").startswith("<!doctype html>")


def test_files_are_what_they_hold(
    document: Document, call: Call, plan: Path, network: Path, tmp_path: Path
):
    front, rows = tmp_path / "front.json", tmp_path / "rows.json"
    document("pareto", network, "-o", front)
    rows.write_text(json.dumps([{"budget": 0.5, "predicted": 1.0, "measured": 2.0}]))
    out = tmp_path / "page.html"
    found = document("report", plan, front, rows, network, "-o", out)
    points = len(json.loads(front.read_text())["points"])
    assert found["points"] == points and found["measurements"] == 1
    shown = call("report", plan, "-o", out)
    assert shown.exit_code == 0 and shown.stdout.startswith("written: ")


def test_without_a_plan_half_of_the_macs_remain(document: Document, tmp_path: Path):
    out = ("-o", tmp_path / "page.html")
    found = document("report", "digits_resnet", *out, "--points", 10)
    (plan,) = found["plans"].values()
    assert plan["recipe"] == "joint"
    assert set(plan["asked"]) == {"macs"}
    assert plan["achieved"]["macs"] <= plan["asked"]["macs"]


def test_several_plans_over_another_resource(
    document: Document, plan: Path, network: Path, tmp_path: Path
):
    other = tmp_path / "other.json"
    document("plan", network, "--params", 0.6, "-o", other)
    out = ("-o", tmp_path / "page.html")
    found = document("report", plan, other, "--stats", network, *out)
    assert set(found["plans"]) == {"plan", "other"} and found["over"] == "macs"
    over = ("--over", "params", "--title", "mine")
    assert document("report", plan, network, *out, *over)["over"] == "params"


def test_figures_are_drawn(
    document: Document, plan: Path, network: Path, tmp_path: Path
):
    drawn = ("--figures", tmp_path / "new" / "plots", "--format", "png")
    out = ("-o", tmp_path / "page.html")
    found = document("report", plan, network, *out, *drawn)
    names = sorted(Path(path).name for path in found["figures"])
    assert names == ["front.png", "widths.png"]
    assert all(Path(path).is_file() for path in found["figures"])


def test_bad_options(refused: Refused, plan: Path, network: Path, tmp_path: Path):
    out = ("-o", tmp_path / "page.html")
    given = ("report", plan, network, *out)
    assert "suffix" in refused("report", plan, "-o", tmp_path / "page.txt")
    assert "folder" in refused("report", plan, "-o", tmp_path / "no" / "page.html")
    assert "--format 'gif'" in refused(*given, "--format", "gif")
    assert "points = 1" in refused(*given, "--points", 1)
    assert "time_limit" in refused(*given, "--time-limit", -1)
    assert "resource 'time'" in refused(*given, "--over", "time")
    assert "losses 'none'" in refused(*given, "--losses", "none")
    assert "no folder" in refused(*given, "--figures", plan / "x")
    assert not (tmp_path / "page.html").exists()


def test_bad_files(refused: Refused, plan: Path, network: Path, tmp_path: Path):
    out = ("-o", tmp_path / "page.html")
    assert "not readable" in refused("report", tmp_path / "none.json", *out)
    assert "one network" in refused("report", plan, "--stats", "digits_resnet", *out)
    assert "2 statistics" in refused(
        "report", network, "--stats", "digits_resnet", *out
    )
    (tmp_path / "cut.json").write_text("{")
    assert "not valid JSON" in refused("report", tmp_path / "cut.json", *out)


def test_figures_without_matplotlib_are_refused_before_the_work(
    refused: Refused, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    out = ("-o", tmp_path / "page.html", "--figures", tmp_path)
    assert "ccsolve[report]" in refused("report", plan, *out)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--points", 5), ("--losses", "taylor"), ("--over", "macs"), ("--time-limit", 1)],
)
def test_options_of_a_front_that_is_not_solved_are_refused(
    document: Document,
    refused: Refused,
    plan: Path,
    network: Path,
    tmp_path: Path,
    option: str,
    value: Any,
):
    front, out = tmp_path / "front.json", ("-o", tmp_path / "page.html")
    document("pareto", network, "-o", front)
    alone = refused("report", plan, option, value, *out)
    assert f"{option}: is of a front, which takes statistics" in alone
    assert f"{option}: is of a front that is solved" in refused(
        *("report", plan, front, option, value, *out)
    )


def test_a_seed_of_no_plan_that_is_made_is_refused(
    refused: Refused, plan: Path, tmp_path: Path
):
    out = ("-o", tmp_path / "page.html")
    assert "--seed" in refused("report", plan, "--seed", 1, *out)
