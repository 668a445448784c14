"""The figure of the report: times of contenders as multiples of the warm step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.low_rank.cases import CASES
from benchmarks.low_rank.rows import Row
from ccsolve.report.style import figure, looks, save, tidy

BASE = "ccsolve warm"
NAME = "low-rank-times.svg"
_ROW = 0.28
"""Inches of a case."""


def times(rows: Sequence[Row], folder: Path) -> Path:
    """Draw the cases that have a warm step one above the other, and give the file.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    ran = {(row.case, row.contender): row for row in rows if row.seconds}
    cases = [case.name for case in CASES if (case.name, BASE) in ran]
    styles = looks(list(dict.fromkeys(name for case, name in ran if case in cases)))
    drawn, (axes,) = figure(1, 1, 8.0, 1.4 + _ROW * len(cases))
    for name, style in styles.items():
        points = [
            (_ratio(ran, case, name), -at)
            for at, case in enumerate(cases)
            if (case, name) in ran
        ]
        look = {key: style[key] for key in ("color", "marker")}
        axes.plot(*zip(*points, strict=True), linestyle="", label=name, **look)
    _finish(axes, cases)
    return save(drawn, folder / NAME)


def _ratio(ran: dict[tuple[str, str], Row], case: str, name: str) -> float:
    seconds, base = ran[case, name].seconds, ran[case, BASE].seconds
    assert seconds and base
    return seconds / base


def _finish(axes: Any, cases: Sequence[str]) -> None:
    tidy(axes, "CPU time of one projection, as a multiple of ccsolve's warm step")
    axes.set_xscale("log")
    axes.set_yticks([-at for at in range(len(cases))], cases, fontsize=8)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
