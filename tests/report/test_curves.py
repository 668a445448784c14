"""Figures of runs: drawn from rows alone, nothing for nothing, in both formats."""

import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ccsolve.bench.runs import MISFIT, Curve, Run
from ccsolve.errors import MissingExtra
from ccsolve.report import curves, style, targets


def run(competitor: str, n: int = 8, points: Curve = (), bounds: Curve = ()) -> Run:
    made = Run("test", f"family-{n}", f"family n={n}", n, 4, competitor, 0, 1.0)
    return replace(
        made,
        seconds=1.0,
        points=points,
        bounds=bounds,
        objective=points[-1][1] if points else math.inf,
        bound=bounds[-1][1] if bounds else -math.inf,
    )


def some() -> list[Run]:
    return [
        run(name, n, ((1e-6, 3.0 + k), (0.5, 1.0 + k)), ((0.1, -9.0), (0.4, 0.5 - k)))
        for n in (8, 16)
        for k, name in enumerate(("first", "second", "third"))
    ]


@pytest.mark.parametrize(
    "draw",
    [
        curves.anytime,
        curves.bounds_over_time,
        curves.bounds_by_size,
        curves.points_by_size,
    ],
)
def test_both_formats_and_the_same_file_again(tmp_path: Path, draw):
    paths = [tmp_path / "a.png", tmp_path / "a.svg"]
    assert draw(some(), paths) == paths
    assert paths[0].read_bytes()[:4] == b"\x89PNG"
    text = paths[1].read_text()
    assert "<svg" in text and "second" in text and str(tmp_path) not in text
    draw(some(), paths)
    assert paths[1].read_text() == text


def test_extreme_values_can_be_drawn(tmp_path: Path):
    flat = run("flat", points=((0.0, 0.0),), bounds=((0.0, 0.0),))
    far = run("far", points=((0.0, 1e9),), bounds=((0.0, -1e9),))
    none = replace(run("none"), status=MISFIT)
    for draw in (curves.anytime, curves.bounds_over_time):
        assert draw([flat, far, none], [tmp_path / "a.svg"])


def test_of_many_programs_the_widest_gaps_are_drawn(tmp_path: Path):
    point = ((0.1, 1.0),)
    runs = [
        replace(run("one", points=point, bounds=((0.1, -k),)), instance=f"program {k}.")
        for k in range(20)
    ]
    (path,) = curves.anytime(runs, [tmp_path / "a.svg"])
    text = path.read_text()
    assert "12 widest gaps of 20" in text
    assert "program 19." in text and "program 7." not in text


def test_nothing_is_drawn_of_nothing(tmp_path: Path):
    paths = [tmp_path / "a.svg"]
    one_size = [row for row in some() if row.n == 8]
    assert curves.anytime([], paths) == []
    assert curves.bounds_by_size(one_size, paths) == []
    assert targets.time_to_target(some(), paths) == []
    assert not list(tmp_path.iterdir())


def test_shares_of_seeds_end_where_they_reached(tmp_path: Path):
    aimed = [replace(row, target=1.5, seed=at) for at, row in enumerate(some())]
    assert targets.time_to_target(aimed, [tmp_path / "a.svg"])
    first = [row for row in aimed if row.competitor == "first"]
    times, shares = targets._share([*first, replace(first[0], target=0.0)], 1.0)
    assert times == [targets.LEAST_SECONDS, 0.5, 0.5, 1.0]
    assert shares == pytest.approx([0.0, 100 / 3, 200 / 3, 200 / 3])


def test_labels_are_pushed_apart_and_stay_in_order():
    placed = style._apart([5.0, 5.0, 6.0, 100.0, 0.0], 10.0)
    ordered = [placed[at] for at in (4, 0, 1, 2, 3)]
    assert ordered == sorted(ordered)
    steps = [b - a for a, b in itertools.pairwise(ordered)]
    assert min(steps) >= 10.0 - 1e-9
    assert placed[3] == pytest.approx(100.0)
    assert style._apart([], 10.0) == []


def test_looks_differ():
    names = [str(at) for at in range(20)]
    seen = {(look["color"], look["linestyle"]) for look in style.looks(names).values()}
    assert len(seen) == len(names)


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"ccsolve\[report\]"):
        style.require_matplotlib()
