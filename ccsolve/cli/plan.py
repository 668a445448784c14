"""`ccsolve plan`: which channels of a network remain within a budget."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
    amount,
    frozen_widths,
    read_statistics,
    recipe_options,
    require_writable,
)
from ccsolve.cli.outcome import DONE, INTERRUPTED
from ccsolve.plans import Plan

EXAMPLES = (
    "ccsolve plan resnet56_cifar10 --macs 0.5",
    "ccsolve plan net.safetensors --macs 0.5 --params 300000 -o plan.json",
    "ccsolve plan net.safetensors --macs 0.5 --time-limit 60",
    "ccsolve plan net.safetensors --macs 0.5 --recipe uniform --json",
    "ccsolve plan digits_resnet --macs 0.7 --recipe svd --multiple-of 2",
    "ccsolve plan net.safetensors --macs 0.5 --set widths=taylor",
)

Budget = Annotated[
    str | None,
    typer.Option(
        metavar="AMOUNT",
        help="What may remain: 0.5 is half of it, 60000000 an absolute amount.",
    ),
]
Frozen = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GROUP=WIDTH",
        help="Freeze a group, or LAYER=RANK a layer of chains; may be repeated.",
    ),
]


def plan(
    stats: StatisticsName,
    macs: Budget = None,
    params: Budget = None,
    latency: Budget = None,
    memory: Budget = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="How to decide: auto, joint, ccp, allocated, uniform, svd, tt, ..."
        ),
    ] = "auto",
    multiple_of: MultipleOf = 1,
    min_keep: MinKeep = 1,
    fixed: Frozen = None,
    time_limit: Annotated[
        float | None,
        typer.Option(help="Seconds for all groups; the recipe's own if not given."),
    ] = None,
    further: Further = None,
    seed: Seed = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the plan to this .json file."),
    ] = None,
    json: Json = False,
) -> int:
    """Decide which channels of a network remain within budgets.

    No budget is exceeded; the table says what was asked, what is achieved, and what the
    recipe made least: the predicted rise of the loss, or what it says instead.
    """
    if output is not None:
        require_writable(output, ".json")
    options: dict[str, Any] = {
        "macs": amount("macs", macs),
        "params": amount("params", params),
        "latency": amount("latency", latency),
        "memory": amount("memory", memory),
        "recipe": recipe,
        "multiple_of": multiple_of,
        "min_keep": min_keep,
        "fixed": frozen_widths(fixed),
        "seed": seed,
        # Recipes without a search have no time limit and say so.
        **({} if time_limit is None else {"time_limit": time_limit}),
    }
    made = ccsolve.plan(read_statistics(stats), **recipe_options(further, options))
    if output is not None:
        made.save(output)
    if json:
        console.show_json(_document(made, output))
    else:
        console.show(_budgets(made), "", *_lines(made, output))
    return INTERRUPTED if made.provenance.get("interrupted") else DONE


def _document(made: Plan, output: Path | None) -> dict[str, Any]:
    names = ("recipe", "given", "asked", "achieved", "original", "prices", "provenance")
    return {
        **{name: getattr(made, name) for name in names},
        "objective": made.objective,
        "bound": made.bound,
        "gap": made.gap,
        "widths": made.widths,
        "keep": made.keep,
        "factors": {name: asdict(factor) for name, factor in made.factors.items()},
        "primary": made.primary,
        "output": None if output is None else str(output),
    }


def _budgets(made: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("resource")
    for heading in ("dense", "asked at most", "achieved", "removed"):
        table.add_column(heading, justify="right")
    for name, dense in made.original.items():
        achieved, asked = made.achieved.get(name), made.asked.get(name)
        limit = "-" if asked is None else f"{asked:,.0f}"
        # What chains take of memory, or of time, nobody may know.
        left, removed = "-", "-"
        if achieved is not None:
            left = f"{achieved:,.0f}"
            removed = f"{100 * (1 - achieved / dense):.1f} %" if dense else "-"
        table.add_row(name, f"{dense:,.0f}", limit, left, removed)
    return table


def _lines(made: Plan, output: Path | None) -> Iterator[str]:
    widths = (f"{name} {kept}/{made.sizes[name]}" for name, kept in made.widths.items())
    yield f"widths: {', '.join(widths)}"
    if made.factors:
        ranks = (
            f"{name} {' x '.join(map(str, factor.ranks))}"
            for name, factor in made.factors.items()
        )
        yield f"chains, by ranks: {', '.join(ranks)}"
    if made.primary:
        counts = (f"{name} {count}" for name, count in made.primary.items())
        yield f"primary filters: {', '.join(counts)}"
    yield _value(made)
    for name, price in made.prices.items():
        unit = made.provenance.get("price", "predicted loss")
        yield f"price: {console.number(price)} of {unit} per unit of {name}"
    if output is not None:
        yield f"written: {output}"


def _value(made: Plan) -> str:
    """Say what the recipe minimised, in words of its own where it has them."""
    if math.isnan(made.objective):
        return f"{made.recipe}: no program chose, so there is no objective"
    measured = made.provenance.get("objective", "predicted rise of the loss")
    return (
        f"{made.recipe}: {measured} {console.number(made.objective)}, "
        f"bound {console.number(made.bound)}, gap {console.gap(made.gap)}"
    )
