"""The demo's tables: a line per program, then totals."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ccsolve.bench import summary
from ccsolve.bench.rows import SOLVER, Row
from ccsolve.bench.summary import PROVEN, Line, Total
from ccsolve.cli import console

_CURVATURES = {"ggn": "Gauss-Newton", "fisher": "Fisher"}
_MICRO = 1e6
_FAR = 0.5
"""A value this much above the best is marked."""
_TOTALS = ("sum", "sum/best", "median", "worst", "sum/bound", "median", "best found")


def tables(rows: Sequence[Row]) -> Iterator[Any]:
    """Give what the terminal shows, from the rows alone."""
    table = summary.lines(rows)
    for family, members in summary.families(table).items():
        yield ""
        yield _programs(family, members)
    if not table:
        return
    yield ""
    yield _totals(summary.totals(table))
    yield from _remarks(table)
    yield ""


def _programs(family: str, members: Sequence[Line]) -> Table:
    curvature = _CURVATURES.get(family, family)
    methods = summary.methods_of(members)
    shown = Table(
        box=None,
        pad_edge=False,
        collapse_padding=True,
        title=f"Predicted rise of the loss in 1e-6 nats, by {curvature} curvature",
        title_justify="left",
        title_style="bold",
    )
    shown.add_column("group", no_wrap=True)
    for heading in ("n", "keep", *methods, "bound", "gap", "s"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for line in members:
        row = line.solver
        values = [_value(line, name) for name in methods]
        bound, seconds = _micro(row.bound), f"{row.seconds:.2f}"
        shown.add_row(
            line.instance, str(row.n), str(row.keep), *values, bound, _gap(row), seconds
        )
    return shown


def _value(line: Line, method: str) -> Text:
    value = line.values[method]
    above = summary.excess(value, line.best)
    style = "green" if above == 0 else "red" if above > _FAR else ""
    return Text(_micro(value), style=style)


def _micro(value: float) -> str:
    return f"{_MICRO * value:,.2f}" if math.isfinite(value) else "-"


def _gap(row: Row) -> Text:
    if row.gap <= PROVEN:
        return Text("proven", style="bold green")
    return Text(("* " if row.cancels else "") + console.gap(row.gap))


def _totals(totals: Sequence[Total]) -> Table:
    shown = Table(
        box=None,
        pad_edge=False,
        title="Totals: values divided by the best found, and by the proven bounds",
        title_justify="left",
        title_style="bold",
    )
    shown.add_column("curvature")
    shown.add_column("method")
    for heading in _TOTALS:
        shown.add_column(heading, justify="right", no_wrap=True)
    for entry in totals:
        shown.add_row(*_total(entry), style="bold" if entry.method == SOLVER else "")
    return shown


def _total(entry: Total) -> Iterator[str]:
    yield _CURVATURES.get(entry.family, entry.family)
    yield entry.method
    yield _micro(entry.total)
    for part in (entry.above_best, entry.median_above_best, entry.worst_above_best):
        yield _ratio(part)
    yield _ratio(entry.above_bound)
    yield _ratio(entry.median_above_bound)
    yield f"{entry.found_best}/{entry.programs}"


def _ratio(excess: float) -> str:
    return f"{1 + excess:,.2f}" if math.isfinite(excess) else "-"


def _remarks(table: Sequence[Line]) -> Iterator[str]:
    proven, seconds = summary.proven(table), sum(line.solver.seconds for line in table)
    yield ""
    yield f"{proven} of {len(table)} proven best, in {seconds:.1f} s of solving."
    small = [line.solver for line in table if line.solver.cancels]
    if small:
        worst = max(row.natural_gap for row in small)
        yield (
            "* tiny by cancellation: in units of what a random choice costs the gap is "
            f"at most {console.gap(worst)}"
        )
