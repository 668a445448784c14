"""`ccsolve solve`: one program, with live progress."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

import ccsolve
from ccsolve.cli import console
from ccsolve.cli.inputs import Format, Json, read_problem, require_writable
from ccsolve.cli.outcome import exit_code
from ccsolve.handling import handling_of
from ccsolve.iterate import Callback, Progress
from ccsolve.solution import Problem, Solution

EXAMPLES = (
    "ccsolve solve problem.npz",
    "ccsolve solve problem.npz --method tabu --time-limit 60 -o best.npz",
    "ccsolve solve instance.qplib --gap 0.01 --json",
)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The problem: .npz, .qplib, ...")
]
MethodName = Annotated[
    str, typer.Option(help="A name that `ccsolve methods FILE` lists, or auto.")
]
TimeLimit = Annotated[float, typer.Option(help="Seconds of wall time; inf for none.")]
Gap = Annotated[float, typer.Option(help="Relative gap at which to stop.")]
Seed = Annotated[int, typer.Option(help="Same seed, same answer.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the solution to this .npz file."),
]


def solve(
    file: File,
    method: MethodName = "auto",
    time_limit: TimeLimit = 10.0,
    gap: Gap = 1e-6,
    seed: Seed = 0,
    output: Output = None,
    format: Format = None,
    json: Json = False,
) -> int:
    """Solve a problem and say how far from the best possible answer it is.

    Ctrl-C stops the search and keeps the best answer so far.
    """
    problem = read_problem(file, format)
    if output is not None:
        require_writable(output, ".npz")
    with _live(time_limit) as callback:
        solution = ccsolve.solve(
            problem, method, time_limit, gap, seed, callback=callback
        )
    if output is not None:
        ccsolve.write(output, solution)
    if json:
        console.show_json(_document(problem, solution, output))
    else:
        console.show(_table(problem, solution, output))
    return exit_code(solution, problem, gap)


@contextmanager
def _live(time_limit: float) -> Iterator[Callback | None]:
    """Show best, bound and gap while the solver runs, if stderr is a terminal."""
    terminal = console.progress()
    if not terminal.is_terminal:
        yield None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    limit = TextColumn(f"of {time_limit:g} s")
    with Bar(*columns, limit, console=terminal, transient=True) as bar:
        task = bar.add_task("solving")

        def see(now: Progress) -> None:
            bar.update(task, description=_line(now))

        yield see


def _line(now: Progress) -> str:
    best, bound = console.number(now.objective), console.number(now.bound)
    return f"best {best}   bound {bound}   gap {console.gap(now.gap)}"


def _document(
    problem: Problem, solution: Solution, output: Path | None
) -> dict[str, Any]:
    return {
        "problem": type(problem).__name__,
        "n": problem.n,
        "keep": getattr(problem, "keep", None),
        "method": solution.method,
        "objective": solution.objective,
        "bound": solution.bound,
        "gap": solution.gap,
        "absolute_gap": solution.absolute_gap,
        "natural_gap": solution.natural_gap,
        "claim": solution.claim().value,
        "stop": solution.stop.value,
        "seconds": solution.seconds,
        **_point(problem, solution.x),
        "prices": dict(solution.duals),
        "trace": [point._asdict() for point in solution.trace],
        "output": None if output is None else str(output),
    }


def _table(problem: Problem, solution: Solution, output: Path | None) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _lines(problem, solution):
        table.add_row(name, value)
    if output is not None:
        table.add_row("written to", str(output))
    return table


def _lines(problem: Problem, solution: Solution) -> Iterator[tuple[str, str]]:
    yield "problem", repr(problem)
    yield "method", solution.method
    yield "objective", _precise(solution.objective)
    yield "bound", _precise(solution.bound)
    yield "gap", console.gap(solution.gap)
    if solution.cancels:
        yield "natural gap", f"{console.gap(solution.natural_gap)} of a random choice"
    yield "claim", solution.claim().value
    yield "stopped by", f"{solution.stop.value} after {solution.seconds:.2f} s"
    for name, prices in solution.duals.items():
        yield f"prices of {name}", " ".join(f"{price:.6g}" for price in prices)
    for name, values in _point(problem, solution.x).items():
        yield f"{name} ({values.size})", _shortened(values)


def _point(problem: Problem, x: Any) -> Mapping[str, np.ndarray]:
    """Give a point as it is read: kept channels, chosen options, ranks, or values."""
    return {} if x is None else handling_of(problem).shown(problem, x)


def _precise(value: float) -> str:
    return f"{value:.10g}" if math.isfinite(value) else "none"


def _shortened(values: np.ndarray, most: int = 40) -> str:
    text = " ".join(f"{value:.6g}" for value in values[:most])
    return text if values.size <= most else f"{text} ... (all with --json)"
