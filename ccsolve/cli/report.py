"""`ccsolve report`: plans of a network as one HTML page, and as figures."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from ccsolve.cli.inputs import Json, require_writable
from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_number, whole_number

EXAMPLES = (
    "ccsolve report",
    "ccsolve report plan.json --stats net.safetensors -o page.html",
    "ccsolve report half.json quarter.json --stats resnet56_cifar10",
    "ccsolve report plan.json front.json measured.json",
    "ccsolve report plan.json --stats net.safetensors --figures plots --format pdf",
)

FORMATS = ("svg", "png", "pdf")

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE]...",
        help="Plans; a front of ccsolve pareto -o; measurements; statistics.",
    ),
]


def report(
    files: Files = None,
    stats: Annotated[
        str | None,
        typer.Option(help="The statistics of the plans, or the name of shipped ones."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page, .html.")
    ] = Path("ccsolve-report.html"),
    over: Annotated[
        str | None,
        typer.Option(
            help="The front's resource; the plans' first budget if not given."
        ),
    ] = None,
    losses: Annotated[
        str | None,
        typer.Option(help="The front's losses by width; the plans' own if not given."),
    ] = None,
    points: Annotated[
        int | None, typer.Option(help="Budgets of the front, about; by default 40.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for each budget; by default 2.")
    ] = None,
    title: Annotated[
        str, typer.Option(help="Of the page; the network's name if not given.")
    ] = "",
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw figures for papers into this folder."),
    ] = None,
    format: Annotated[str, typer.Option(help="Of figures: svg, png, pdf.")] = "svg",
    seed: Annotated[
        int | None, typer.Option(help="Of the plan that is made where none is given.")
    ] = None,
    json: Json = False,
) -> int:
    """Write a page on one plan of a network, or on several of them compared.

    It is one HTML file that needs no network. With statistics it has the loss-budget
    front, solved beforehand, with a slider over its budgets, and the channels that
    duplicate each other. Without a plan it makes one, with half of the MACs.
    """
    require_writable(output, ".html")
    if format not in FORMATS:
        raise InvalidProblem(f"--format {format!r}; expected {', '.join(FORMATS)}")
    # What it runs imports the solvers, which `ccsolve --help` does without.
    run = importlib.import_module("ccsolve.cli.report_run")
    asked = run.Asked(
        files=tuple(files or ()),
        stats=stats,
        over=over,
        losses=losses,
        points=None if points is None else whole_number("points", points, 2, 10_000),
        time_limit=(
            None if time_limit is None else real_number("time_limit", time_limit, 0.0)
        ),
        title=title,
        seed=seed,
    )
    return run.run(asked, output, figures, format, json)
