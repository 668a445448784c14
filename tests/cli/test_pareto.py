"""`ccsolve pareto`: curves, exact points, frozen groups, and bad ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Call = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
Refused = Callable[..., str]

DIGITS = "digits_resnet"


def test_the_curve_falls_and_its_bounds_are_below(document: Document):
    found = document("pareto", DIGITS)
    costs = [point["cost"] for point in found["points"]]
    losses = [point["loss"] for point in found["points"]]
    assert costs == sorted(costs) and costs[-1] == found["dense"]
    assert losses == sorted(losses, reverse=True) and losses[-1] == 0
    assert all(point["bound"] <= point["loss"] for point in found["points"])
    assert all(point["price"] >= 0 for point in found["points"])


def test_exact_points_hold_their_budgets(document: Document):
    found = document("pareto", DIGITS, "--budget", 0.5, "--budget", 100000)
    limits = [point["limit"] for point in found["points"]]
    assert limits == sorted([0.5 * found["dense"], 100000])
    assert all(point["cost"] <= point["limit"] for point in found["points"])


def test_frozen_groups_keep_their_width(document: Document, tmp_path: Path):
    group, *_ = document("plan", DIGITS, "--macs", 0.5)["widths"]
    out = tmp_path / "front.json"
    found = document("pareto", DIGITS, "--fixed", f"{group}=5", "-o", out)
    assert {point["widths"][group] for point in found["points"]} == {5}
    assert json.loads(out.read_text())["points"] == found["points"]


def test_the_table_names_what_is_removed(call: Call):
    shown = call("pareto", DIGITS, "--points", 5).stdout
    assert "removed" in shown and "0.0 %" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--over", "time"), "resource 'time'"),
        (("--over", "latency"), "latency"),
        (("--recipe", "uniform"), "recipe 'uniform' has no losses"),
        (("--losses", "none"), "losses 'none'"),
        (("--budget", "half"), "--budget 'half'"),
        (("--budget", "1.5"), "macs = 1.5"),
        (("--fixed", "conv1"), "--fixed 'conv1'; expected GROUP=WIDTH"),
        (("--fixed", "none=3"), "fixed names the group 'none'"),
        (("--points", "1"), "points = 1"),
    ],
)
def test_bad_options(refused: Refused, options: tuple[str, ...], said: str):
    assert said in refused("pareto", DIGITS, *options)


def test_further_options_of_ranks_are_set(document: Document, refused: Refused):
    ranks = ("pareto", DIGITS, "--recipe", "svd")
    assert document(*ranks, "--set", "split=channel") == document(*ranks)
    assert "split 'x'" in refused(*ranks, "--set", "split=x")
    assert "has no option 'modes'" in refused(*ranks, "--set", "modes=2")
    for entry in ("over=params", "recipe=tt", "modes"):
        assert f"--set {entry!r}" in refused(*ranks, "--set", entry)
