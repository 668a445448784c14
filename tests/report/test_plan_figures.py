"""Figures of plans: what there is to draw, in every format, and the same again."""

import sys
from pathlib import Path

import pytest

import ccsolve
from ccsolve.errors import MissingExtra
from ccsolve.plans import Plan
from ccsolve.report.curve import traced
from ccsolve.report.measurements import Measurement
from ccsolve.report.plan_figures import draw
from ccsolve.report.subject import Subject
from ccsolve.statistics import Statistics

ROWS = (
    Measurement(0.5, 0.1, 0.2, 0.01, None, "one"),
    Measurement(0.2, 9.0, 5.0, None, None, "two"),
)


def subject(stats: Statistics, plan: Plan) -> Subject:
    plans = {"plan": plan, "other": ccsolve.plan(stats, macs=0.3, recipe="uniform")}
    return Subject(plans, stats, traced(stats, plans, "macs", points=6), ROWS)


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_three_figures(
    tmp_path: Path, stats: Statistics, plan: Plan, kind: str, begins: bytes
):
    paths = draw(subject(stats, plan), tmp_path, kind)
    assert {path.name for path in paths} == {
        f"{name}.{kind}" for name in ("front", "widths", "measured")
    }
    assert all(path.read_bytes().startswith(begins) for path in paths)


def test_text_stays_text_and_the_same_is_drawn_again(
    tmp_path: Path, stats: Statistics, plan: Plan
):
    first = {p: p.read_text() for p in draw(subject(stats, plan), tmp_path, "svg")}
    for path in draw(subject(stats, plan), tmp_path, "svg"):
        assert path.read_text() == first[path]
    said = "".join(first.values())
    for text in ("proven bound", "plan", "other", "second", "measured rise", "one"):
        assert text in said


def test_only_what_is_known_is_drawn(tmp_path: Path, plan: Plan):
    assert [path.name for path in draw(Subject({"plan": plan}), tmp_path)] == [
        "widths.svg"
    ]


def test_what_to_install_is_said(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"ccsolve\[report\]"):
        draw(Subject({"plan": plan}), tmp_path)
