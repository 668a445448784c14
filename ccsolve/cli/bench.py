"""`ccsolve bench`: methods and heuristics side by side."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from ccsolve.cli.inputs import Format, Json, require_writable
from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_number, whole_number

EXAMPLES = (
    "ccsolve bench",
    "ccsolve bench cancelling --sizes 64,256,1024 --figures plots",
    "ccsolve bench mine.npz other.qplib --methods tabu,dnn,auto --time-limit 10",
    "ccsolve bench embedded --seeds 10 -o rows.jsonl",
)


def bench(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE|FILE]...",
            help="quick (as without any), embedded, cancelling, k_cluster, diversity, "
            "euclidean, loss_model, or files of problems.",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Names with commas between: diagonal, auto, tabu, ..."),
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds of each run.")] = 0.5,
    seeds: Annotated[int, typer.Option(help="Runs of what uses chance.")] = 1,
    sizes: Annotated[
        str | None, typer.Option(help="n of a family's members, commas between.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the rows to this .jsonl file."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Draw PNG and SVG figures into this folder.")
    ] = None,
    format: Format = None,
    json: Json = False,
) -> int:
    """Put methods and heuristics side by side: who is best, and what is proven.

    Every point is scored by the problem itself, and every bound is held to the best
    point that any method found. Ctrl-C keeps the rows so far.
    """
    time_limit = real_number("time-limit", time_limit, 0.0)
    seeds = whole_number("seeds", seeds, 1, 10_000)
    if output is not None:
        require_writable(output, ".jsonl")
    # What it runs imports scipy and more, which `ccsolve --help` does without.
    module = importlib.import_module("ccsolve.cli.bench_run")
    asked = module.Asked(
        entries=module.entries(what or ["quick"], _sizes(sizes), format),
        methods=_names(methods),
        time_limit=time_limit,
        seeds=seeds,
        output=output,
        figures=figures,
        json=json,
    )
    return module.run(asked)


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip()]


def _sizes(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidProblem(
            f"--sizes {text!r}; expected whole numbers with commas between"
        ) from None
    return [whole_number("sizes", n, 4, 20_000) for n in sizes]
