"""`ccsolve validation`: predicted against measured losses, from a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import ccsolve
from ccsolve.cli import console
from ccsolve.cli.inputs import Json
from ccsolve.cli.outcome import DONE

if TYPE_CHECKING:
    # What it imports itself, help must not wait for.
    from ccsolve.validation import Validation

EXAMPLES = (
    "ccsolve validation found.json",
    "ccsolve validation found.json --json",
)


def validation(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Written by Validation.save.")
    ],
    json: Json = False,
) -> int:
    """Show predicted against measured losses, by model and along the chosen's path.

    The last columns of the first table: measured by predicted rise at the end of the
    model's own path, the measured rise there, and by how much it is above the chosen's.
    """
    found = ccsolve.Validation.load(file)
    if json:
        console.show_json(found.data())
    else:
        chosen = f"chosen by {found.by}: {found.model}"
        console.show(_models(found), "", chosen, _path(found))
    return DONE


def _models(found: "Validation") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for heading in ("rank", "log2 error", "measured/predicted", "measured", "behind"):
        table.add_column(heading, justify="right")
    for place, model in enumerate(found.models):
        last = found.path(place)[-1]
        table.add_row(
            str(model),
            f"{found.rank(place):.3f}",
            f"{found.log_error(place):.2f}",
            console.number(found.optimism(place)),
            _with_error(last.measured, last.error),
            _with_error(*found.behind[place]),
        )
    return table


def _path(found: "Validation") -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (found.resource, "removed", *_headings(found)):
        table.add_column(heading, justify="right")
    for point in found.path(found.chosen):
        removed = 100 * (1 - point.cost / found.original) if found.original else 0.0
        repaired = [] if point.repaired is None else [console.number(point.repaired)]
        table.add_row(
            f"{point.cost:,.0f}",
            f"{removed:.1f} %",
            console.number(point.predicted),
            _with_error(point.measured, point.error),
            *repaired,
        )
    return table


def _headings(found: "Validation") -> Iterator[str]:
    yield from ("predicted", "measured")
    if found.points[0].repaired is not None:
        yield "repaired"


def _with_error(value: float, error: float | None) -> str:
    return console.number(value) if error is None else f"{value:.4g} ± {error:.2g}"
