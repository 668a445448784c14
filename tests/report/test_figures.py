"""Figures are drawn from rows alone, and say what to install where they cannot be."""

import math
import struct
import sys
from pathlib import Path

import pytest

from ccsolve.bench.rows import SOLVER, Row
from ccsolve.errors import MissingExtra
from ccsolve.report.figures import draw


def rows(bounds: tuple[float, ...]) -> list[Row]:
    found = []
    for family in ("ggn", "fisher"):
        for index, bound in enumerate(bounds):
            key = (family, f"group{index}", 8, 4)
            gap = 1.0 - bound if math.isfinite(bound) else math.inf
            found.append(Row(*key, "diagonal", 2.0 + index, 0.0))
            found.append(Row(*key, SOLVER, 1.0, 0.1, bound=bound, gap=gap))
    return found


def size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_two_figures_for_any_bound(tmp_path: Path):
    paths = draw(rows((1.0, 0.5, 0.0, -3.0, -math.inf)), tmp_path)
    assert [path.name for path in paths] == ["objectives.png", "gaps.png"]
    assert all(min(size(path)) > 400 for path in paths)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_optimum_of_zero_can_be_drawn(tmp_path: Path):
    zero = Row("ggn", "a", 4, 2, SOLVER, 0.0, 0.1, bound=0.0, gap=0.0)
    assert len(draw([Row("ggn", "a", 4, 2, "diagonal", 1.0, 0.0), zero], tmp_path)) == 2


def test_no_rows_no_figures(tmp_path: Path):
    assert draw([], tmp_path) == [] and not list(tmp_path.iterdir())


def test_what_to_install_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"ccsolve\[report\]"):
        draw(rows((1.0,)), tmp_path)
