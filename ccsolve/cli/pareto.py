"""`ccsolve pareto`: the least predicted loss at every budget."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

import ccsolve
from ccsolve.cli import console
from ccsolve.cli.inputs import (
    Further,
    Json,
    MinKeep,
    MultipleOf,
    Seed,
    StatisticsName,
    amounts,
    frozen_widths,
    read_statistics,
    recipe_options,
    require_writable,
)
from ccsolve.cli.outcome import DONE
from ccsolve.io.atomic import replacing
from ccsolve.io.strict_json import dump_json

if TYPE_CHECKING:
    # What it imports itself, help must not wait for.
    from ccsolve.fronts import Front, FrontPoint

EXAMPLES = (
    "ccsolve pareto resnet56_cifar10",
    "ccsolve pareto net.safetensors --over params --points 20",
    "ccsolve pareto net.safetensors --budget 0.5 --budget 0.25 --json",
    "ccsolve pareto net.safetensors --fixed layer1.0.conv1=16 -o front.json",
    "ccsolve pareto net.safetensors --recipe tt --set modes=2",
)

LINES = 20
"""Points that the table shows, evenly over all."""

Budgets = Annotated[
    list[str] | None,
    typer.Option(metavar="AMOUNT", help="An exact point here; may be repeated."),
]


def pareto(
    stats: StatisticsName,
    over: Annotated[
        str, typer.Option(help="macs, params, latency or memory.")
    ] = "macs",
    budget: Budgets = None,
    points: Annotated[
        int, typer.Option(help="Budgets, where not every breakpoint comes from a sort.")
    ] = 50,
    recipe: Annotated[
        str, typer.Option(help="Whose: ccp, allocated, svd, tucker, tt, joint.")
    ] = "ccp",
    losses: Annotated[
        str,
        typer.Option(
            help="Losses by width: auto, refit, taylor, units, selection, ..."
        ),
    ] = "auto",
    nested: Annotated[
        bool, typer.Option("--nested", help="No group wider at a smaller budget.")
    ] = False,
    multiple_of: MultipleOf = 1,
    min_keep: MinKeep = 1,
    fixed: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP=WIDTH", help="Freeze a group; may be repeated."),
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds for each budget.")] = 10.0,
    further: Further = None,
    seed: Seed = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the front to this .json file."),
    ] = None,
    json: Json = False,
) -> int:
    """Give the loss-budget curve of a network, with bounds and prices.

    The price is what the predicted loss falls by per unit of budget added.
    """
    if output is not None:
        require_writable(output, ".json")
    options: dict[str, Any] = {
        "over": over,
        "recipe": recipe,
        "losses": losses,
        "budgets": amounts("budget", budget),
        "points": points,
        "nested": nested,
        "multiple_of": multiple_of,
        "min_keep": min_keep,
        "fixed": frozen_widths(fixed),
        "time_limit": time_limit,
        "seed": seed,
    }
    front = ccsolve.pareto(read_statistics(stats), **recipe_options(further, options))
    document = _document(front)
    _write(document, output)
    if json:
        console.show_json(document | {"output": output and str(output)})
    else:
        console.show(_table(front), *([f"written: {output}"] if output else []))
    return DONE


def _write(document: dict[str, Any], output: Path | None) -> None:
    if output is None:
        return
    with replacing(output) as temporary:
        temporary.write_text(dump_json(document, indent=1) + "\n", encoding="utf-8")


def _document(front: "Front") -> dict[str, Any]:
    return {
        "over": front.over,
        "recipe": front.recipe,
        "dense": front.dense,
        "points": [_entry(point) for point in front],
    }


def _entry(point: "FrontPoint") -> Mapping[str, Any]:
    factors = {name: asdict(factor) for name, factor in point.factors.items()}
    return point._asdict() | {"widths": dict(point.widths), "factors": factors}


def _table(front: "Front") -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (front.over, "removed", "loss", "bound", "price"):
        table.add_column(heading, justify="right")
    for point in _shown(front):
        removed = 100 * (1 - point.cost / front.dense) if front.dense else 0.0
        table.add_row(
            f"{point.cost:,.0f}",
            f"{removed:.1f} %",
            console.number(point.loss),
            console.number(point.bound),
            console.number(point.price),
        )
    return table


def _shown(front: "Front") -> Iterator["FrontPoint"]:
    """Give the first, the last and evenly spaced points between them."""
    count = min(LINES, len(front))
    for place in range(count):
        yield front.points[place * (len(front) - 1) // max(1, count - 1)]
