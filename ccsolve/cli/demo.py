"""`ccsolve demo`: the selection programs of a real network, with bounds."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from ccsolve.cli.inputs import Json
from ccsolve.problems.checks import real_number, whole_number

EXAMPLES = (
    "ccsolve demo",
    "ccsolve demo --seconds 10 --output results",
    "ccsolve demo --json > demo.json",
)


def demo(
    seconds: Annotated[
        float, typer.Option(help="Wall time of all programs together.")
    ] = 40.0,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the rows and plots.")
    ] = Path("ccsolve-demo"),
    seed: Annotated[int, typer.Option(help="Same seed, same answer.")] = 0,
    jobs: Annotated[int, typer.Option(help="Programs solved side by side.")] = 1,
    json: Json = False,
) -> int:
    """Solve the selection programs of ResNet-56, against heuristics, with bounds.

    Half of the channels of each of its 27 inner groups are kept. The statistics ship
    with the package; no network and no images are needed.
    """
    seconds = real_number("seconds", seconds, 0.0)
    jobs = whole_number("jobs", jobs, 1, 1024)
    seed = whole_number("seed", seed, 0, 2**63 - 1)
    # What it runs imports joblib and more, which `ccsolve --help` does without.
    run = importlib.import_module("ccsolve.cli.demo_run").run
    return run(seconds, output, seed, jobs, json)
