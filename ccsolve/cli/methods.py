"""`ccsolve methods`: what can solve a problem."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import ccsolve
from ccsolve.cli import console
from ccsolve.cli.inputs import Format, Json, read_problem
from ccsolve.registry import Method

EXAMPLES = (
    "ccsolve methods",
    "ccsolve methods problem.npz",
    "ccsolve methods --json",
)


def methods(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="List those that can take this problem."),
    ] = None,
    format: Format = None,
    json: Json = False,
) -> int:
    """List the methods, and the one that `auto` picks for a file."""
    problem = None if file is None else read_problem(file, format)
    rows = ccsolve.methods(problem)
    picked = None if problem is None else ccsolve.pick(problem)
    if json:
        console.show_json({"auto": picked, "methods": [_entry(row) for row in rows]})
    else:
        console.show(_table(rows, picked))
    return 0


def _entry(row: Method) -> dict[str, object]:
    return {
        "name": row.name,
        "problem": row.problem.__name__,
        "kind": row.kind.value,
        "gives_bound": row.gives_bound,
        "max_size": row.max_size,
        "needs": [need.text for need in row.needs],
        "summary": row.summary,
    }


def _table(rows: tuple[Method, ...], picked: str | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("method", "kind", "largest n", "what it does"):
        table.add_column(title, justify="right" if title == "largest n" else "left")
    for row in rows:
        name = f"{row.name} (auto)" if row.name == picked else row.name
        size = "any" if row.max_size is None else str(row.max_size)
        table.add_row(name, row.kind.value, size, row.summary)
    return table
