"""What `ccsolve demo` does: solve all programs, write rows and figures, show tables."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from ccsolve import data
from ccsolve.bench import summary
from ccsolve.bench.comparison import Clock, compare, warm_up
from ccsolve.bench.programs import half_of_every_group
from ccsolve.bench.rows import Row, environment, write_rows
from ccsolve.cli import console, demo_tables
from ccsolve.cli.outcome import DONE, INTERRUPTED
from ccsolve.errors import MissingExtra
from ccsolve.report.figures import draw
from ccsolve.solution import Stop
from ccsolve.statistics import Statistics

NETWORK = "resnet56_cifar10"
ROWS = "rows.jsonl"


def run(seconds: float, output: Path, seed: int, jobs: int, json: bool) -> int:
    """Run the demo and give its exit code; Ctrl-C keeps what was solved by then."""
    output.mkdir(parents=True, exist_ok=True)
    rows, interrupted = _solve_all(seconds, seed, jobs)
    files, missing = _write(rows, output)
    if json:
        console.show_json(_document(rows, files))
    else:
        console.show(*demo_tables.tables(rows), *_where(files, missing))
    if not interrupted:
        return DONE
    console.complain(f"interrupted after {len(summary.lines(rows))} programs")
    return INTERRUPTED


def _solve_all(seconds: float, seed: int, jobs: int) -> tuple[list[Row], bool]:
    """Give the rows, and whether Ctrl-C cut them short."""
    rows: list[Row] = []
    programs = half_of_every_group(Statistics.load(data.path(NETWORK)))
    try:
        with _bar() as bar:
            task = bar.add_task("compiling", total=len(programs))
            warm_up()
            clock = Clock(seconds)
            for found in compare(programs, clock, seed, jobs):
                rows.extend(found)
                bar.update(task, advance=1, description=_describe(found[-1]))
    except KeyboardInterrupt:
        return rows, True
    return rows, any(row.stop == Stop.INTERRUPTED.value for row in rows)


def _bar() -> Bar:
    terminal = console.progress()
    return Bar(
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=terminal,
        disable=not terminal.is_terminal,
        transient=True,
    )


def _describe(row: Row) -> str:
    return f"{row.instance} ({row.family}): gap {console.gap(row.gap)}"


def _write(rows: list[Row], folder: Path) -> tuple[list[Path], str]:
    """Write rows and figures; give the paths, and what to install for figures."""
    if not rows:
        return [], ""
    table = folder / ROWS
    write_rows(table, rows)
    try:
        return [table, *draw(rows, folder)], ""
    except MissingExtra as error:
        return [table], str(error)


def _where(files: list[Path], missing: str) -> Iterator[str]:
    yield from (f"written: {path}" for path in files)
    if missing:
        yield f"no plots: {missing}"


def _document(rows: list[Row], files: list[Path]) -> dict[str, Any]:
    table = summary.lines(rows)
    return {
        **environment(),
        "programs": len(table),
        "proven": summary.proven(table),
        "rows": [asdict(row) for row in rows],
        "totals": [asdict(total) for total in summary.totals(table)],
        "files": [str(path) for path in files],
    }
