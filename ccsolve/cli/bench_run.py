"""What `ccsolve bench` does: run all, write rows and figures, show tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.live import Live

from ccsolve.bench.reading import by_instance, refutations
from ccsolve.bench.rows import environment
from ccsolve.bench.runs import FAILED, Run, write_runs
from ccsolve.bench.side_by_side import (
    Entry,
    default_methods,
    require_known,
    runs_of,
)
from ccsolve.bench.suites import SIZES, SUITES
from ccsolve.bench.suites import entries as entries_of
from ccsolve.cli import bench_tables, console
from ccsolve.cli.inputs import read_problem
from ccsolve.cli.outcome import DONE, INTERRUPTED
from ccsolve.errors import InvalidFile, WrongAnswer
from ccsolve.problems import ChannelSelection
from ccsolve.report import curves
from ccsolve.report.style import require_matplotlib
from ccsolve.solution import Stop

YOURS = "your files"
"""The family of problems that are read from files."""


@dataclass(frozen=True)
class Asked:
    """What the command was asked for, checked."""

    entries: Sequence[Entry]
    methods: Sequence[str] | None
    time_limit: float
    seeds: int
    output: Path | None
    figures: Path | None
    json: bool


def entries(
    names: Sequence[str], sizes: Sequence[int] | None, format: str | None
) -> list[Entry]:
    """Give the programs: of suites by name, of files otherwise."""
    return [
        entry
        for name in names
        for entry in (
            entries_of(name, sizes or SIZES)
            if name in SUITES or not Path(name).exists()
            else [Entry(YOURS, Path(name).name, _selection(Path(name), format))]
        )
    ]


def _selection(path: Path, format: str | None) -> ChannelSelection:
    problem = read_problem(path, format)
    if not isinstance(problem, ChannelSelection):
        raise InvalidFile(
            f"{path}: holds a {type(problem).__name__}; bench compares methods on "
            "ChannelSelection"
        )
    return problem


def run(asked: Asked) -> int:
    """Run the comparison and give its exit code; Ctrl-C keeps what was there by then.

    WrongAnswer where a point of one method refutes the bound of another, or an answer
    did not survive `verify`.
    """
    require_known(asked.methods or ())
    if asked.figures is not None:
        require_matplotlib()
        asked.figures.mkdir(parents=True, exist_ok=True)
    rows: list[Run] = []
    interrupted = _run_all(asked, rows)
    files = [] if asked.output is None else [asked.output]
    files += _draw(rows, asked.figures)
    if asked.json:
        console.show_json(_document(rows, files))
    else:
        console.show(*bench_tables.summary(rows), *(f"written: {f}" for f in files))
    wrong = [row.note for row in rows if row.status == FAILED]
    wrong += map(str, refutations(rows))
    if wrong:
        raise WrongAnswer("; ".join(wrong))
    return INTERRUPTED if interrupted else DONE


def _run_all(asked: Asked, rows: list[Run]) -> bool:
    """Fill the rows, program by program; say whether Ctrl-C cut them short."""
    try:
        for entry in asked.entries:
            start = len(rows)
            try:
                _run_program(asked, entry, rows)
            finally:
                _keep(asked, rows, start)
            if any(row.stop == Stop.INTERRUPTED.value for row in rows[start:]):
                return True
    except KeyboardInterrupt:
        return True
    return False


def _run_program(asked: Asked, entry: Entry, rows: list[Run]) -> None:
    """Run all methods on one program while its table stands on the terminal."""
    start = len(rows)
    names = asked.methods or default_methods(entry.problem)
    with _live() as live:
        for name in names:
            live.update(bench_tables.program(entry, rows[start:], name), refresh=True)
            for row in runs_of(
                entry.family, entry, name, asked.time_limit, asked.seeds
            ):
                rows.append(row)
                if row.stop == Stop.INTERRUPTED.value:
                    return


@contextmanager
def _live() -> Iterator[Live]:
    """Give a display on stderr that shows nothing where that is no terminal."""
    terminal = console.progress()
    terminal.quiet = not terminal.is_terminal
    with Live(console=terminal, transient=True, auto_refresh=False) as live:
        yield live


def _keep(asked: Asked, rows: list[Run], start: int) -> None:
    """Write all rows so far, and show the program's table."""
    if asked.output is not None:
        write_runs(asked.output, rows)
    if not asked.json and len(rows) > start:
        entry = next(e for e in asked.entries if e.instance == rows[start].instance)
        console.show(bench_tables.program(entry, rows[start:], None), "")


def _draw(rows: list[Run], folder: Path | None) -> list[Path]:
    """Draw what the rows allow: sizes need a family of several."""
    if folder is None:
        return []
    kinds = {
        "anytime": curves.anytime,
        "points_by_n": curves.points_by_size,
        "bounds_by_n": curves.bounds_by_size,
    }
    return [
        path
        for name, draw in kinds.items()
        for path in draw(rows, [folder / f"{name}.{kind}" for kind in ("png", "svg")])
    ]


def _document(rows: list[Run], files: list[Path]) -> dict[str, Any]:
    return {
        **environment(),
        "programs": len(by_instance(rows)),
        "rows": [asdict(row) for row in rows],
        "refuted": [str(entry) for entry in refutations(rows)],
        "files": [str(path) for path in files],
    }
