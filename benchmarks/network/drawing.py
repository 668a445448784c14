"""The figure of the report: points and bounds of every contender over time."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.network.cases import CASES
from benchmarks.network.contenders import CONTENDERS
from benchmarks.network.rows import Row
from ccsolve.report.style import grid, looks, save, tidy

NAME = "network-gaps.svg"
_COLUMNS = 3


def curves(rows: Sequence[Row], folder: Path) -> Path:
    """Draw value (filled) and bound (hollow) in parts of what a random point loses.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    ran = [row for row in rows if row.values and row.scale]
    cases = [case.name for case in CASES if any(row.case == case.name for row in ran)]
    styles = looks(list(CONTENDERS))
    drawn, panels = grid(max(len(cases), 1), _COLUMNS, 4.2, 3.0)
    for axes, name in zip(panels, cases, strict=False):
        for row in ran:
            if row.case == name:
                _line(axes, row, styles[row.contender])
        tidy(axes, name)
        axes.set_xscale("log")
        axes.set_yscale("symlog", linthresh=1e-3)
    _legend(drawn, styles)
    return save(drawn, folder / NAME)


def _line(axes: Any, row: Row, style: dict[str, Any]) -> None:
    look = {key: style[key] for key in ("color", "marker")}
    for series, faced in ((row.values, style["color"]), (row.bounds, "none")):
        seen = [
            (at, each / row.scale)
            for at, each in zip(row.times, series, strict=True)
            if each is not None and row.scale
        ]
        if seen:
            axes.plot(*zip(*seen, strict=True), markerfacecolor=faced, **look)


def _legend(drawn: Any, styles: dict[str, dict[str, Any]]) -> None:
    lines: Any = importlib.import_module("matplotlib.lines")
    handles = [
        lines.Line2D([], [], color=look["color"], marker=look["marker"], label=name)
        for name, look in styles.items()
    ]
    drawn.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
