"""The report: a Markdown page with tables and figures, drawn from the rows alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.selection import goals, tables
from ccsolve.bench.reading import refutations
from ccsolve.bench.runs import RAN, Run
from ccsolve.io.atomic import replacing
from ccsolve.report import curves, targets

_INTRODUCTION = """\
# Selection, measured

`ccsolve` and its peers on channel selection: minimise zᵀQz + qᵀz over binary z with a
given number of ones. Made from raw rows by

    make bench DATA=DIR

which runs every suite and writes this page; `python -m benchmarks.selection --report`
writes it again from the rows in `benchmarks/results/selection/`. Every competitor runs
on one thread, in turn, in a process of its own, and is warmed up before its clock
starts. The scorer shares nothing with the solvers: it computes the value of every point
that a competitor claims from the instance's raw data, checks that it is feasible, and
holds every bound to the best point that anybody found. These are figures of one machine
and one run, to be read as ratios."""

_NOTES = {
    "heuristics": (
        "The best value at equal time",
        "Each heuristic has the same seconds on the same instance. `dwave-tabu` is "
        "dwave-samplers' tabu search on the QUBO with the cardinality as a penalty, "
        "`dwave-tabu-0.1` the same with a tenth of it; a point of another cardinality "
        "is repaired by greedy flips. It tells no time of its best, so that its "
        "seconds are all that it took; on large instances it overruns short limits.",
    ),
    "targets": (
        "Time to target",
        "Each run stops at the target: the best known value, plus 0.5 % for `ccpz` and "
        "0.05 % for `mdg`, which nobody proves. dwave-samplers is told the energy to "
        "stop at. `> s`: more than half of the seeds did not come there in s seconds.",
    ),
    "proofs": (
        "Time to proof",
        "Seconds of all runs together; a run without a proof has spent its limit. "
        "Proven is a gap of 1e-6 between the scored point and the bound. Gurobi's "
        "bounds are those of a floating-point solver, ours hold in exact arithmetic.",
    ),
    "gaps": (
        "Point and bound over time",
        "In per cent of the best value known; a gap is what lies between the solid and "
        "the dotted line of one colour.",
    ),
    "bounds": (
        "What relaxations prove",
        "`sdp` has the products Xe = keep·x, `dnn` X >= 0 besides. The value of SCS "
        "and Clarabel is the dual value that they end with: near the bound, but proven "
        "by nobody; cvxpy's translation is not in their seconds. The last columns say "
        "when a proven bound was within 0.1 % of SCS's value.",
    ),
    "memory": (
        "Memory",
        "Most that was resident during the run, less what was before it, with the "
        "instance and all libraries loaded; Q takes 8n² bytes.",
    ),
    "reference": (
        "Long runs",
        "What the seeded instances' best known values come from.",
    ),
}

_Draw = Callable[[list[Run], Sequence[Path]], list[Path]]


def _points_by_n(runs: list[Run], paths: Sequence[Path]) -> list[Path]:
    return curves.points_by_size(_of_many_sizes(runs), paths)


def _bounds_by_n(runs: list[Run], paths: Sequence[Path]) -> list[Path]:
    return curves.bounds_by_size(_of_many_sizes(runs), paths)


def _of_many_sizes(runs: list[Run]) -> list[Run]:
    """Leave out families of one or two sizes: a line through them says nothing."""
    sizes: dict[str, set[int]] = {}
    for run in runs:
        sizes.setdefault(run.family.partition(" n=")[0], set()).add(run.n)
    return [run for run in runs if len(sizes[run.family.partition(" n=")[0]]) > 2]


class _Figure(NamedTuple):
    suite: str
    name: str
    draw: _Draw
    alt: str


_FIGURES = (
    _Figure("targets", "targets", targets.time_to_target, "share of seeds over time"),
    _Figure("heuristics", "points", _points_by_n, "distance of points by n"),
    _Figure("gaps", "gaps", curves.anytime, "points and bounds over time"),
    _Figure("bounds", "bounds", _bounds_by_n, "distance of bounds by n"),
    _Figure("bounds", "bounds-time", curves.bounds_over_time, "bounds over time"),
)


def write(rows: Iterable[Run], page: Path) -> list[Path]:
    """Write the page, and its figures into a folder beside it; give all paths."""
    rows = list(rows)
    best = tables.best_of(rows)
    rows = tables.with_best_known(rows, best)
    folder = page.parent / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {figure: _drawn(figure, rows, folder) for figure in _FIGURES}
    with replacing(page) as temporary:
        text = "\n".join(_lines(rows, best, drawn))
        temporary.write_text(text + "\n", encoding="utf-8")
    return [page, *(path for paths in drawn.values() for path in paths)]


def _drawn(figure: _Figure, rows: list[Run], folder: Path) -> list[Path]:
    own = [run for run in rows if run.suite == figure.suite]
    return figure.draw(own, [folder / f"selection-{figure.name}.svg"])


def _lines(
    rows: list[Run], best: tables.Best, drawn: dict[_Figure, list[Path]]
) -> Iterator[str]:
    yield _INTRODUCTION
    yield from _machine(rows)
    yield from _refuted(rows)
    reached = list(goals.lines(rows, best))
    if reached:
        yield from ("", "## What was wanted, and what was measured", "", *reached)
    for suite, (title, note) in _NOTES.items():
        own = [run for run in rows if run.suite == suite]
        if own:
            yield from ("", f"## {title}", "", note, "")
            yield from _pictures(suite, drawn)
            yield from _tables(suite, own, best)
    missing = list(tables.left_out(rows))
    if missing:
        yield from ("", "## Left out", "", *missing)


def _tables(suite: str, own: list[Run], best: tables.Best) -> Iterator[str]:
    if suite in ("heuristics", "reference"):
        yield from tables.heuristics(own, best)
        duels = list(tables.duels(own))
        if suite == "heuristics":
            yield from (
                "",
                "Run by run against the better of dwave-samplers' two penalties:",
                "",
            )
            yield from duels
    elif suite in ("gaps", "bounds"):
        table = {"gaps": tables.gaps, "bounds": tables.bounds}[suite]
        yield from table(own, best)
    else:
        yield from {
            "targets": tables.targets,
            "proofs": tables.proofs,
            "memory": tables.memory,
        }[suite](own)


def _pictures(suite: str, drawn: dict[_Figure, list[Path]]) -> Iterator[str]:
    for figure, paths in drawn.items():
        if figure.suite == suite:
            for path in paths:
                yield f"![{figure.alt}](figures/{path.name})"
                yield ""


def _machine(rows: list[Run]) -> Iterator[str]:
    """Name machines and versions, as the rows have them."""
    machines = sorted({run.machine for run in rows if run.status == RAN})
    versions = {name: v for run in rows for name, v in run.versions.items()}
    pythons = sorted({run.python for run in rows if run.python})
    held = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    where = f"{'; '.join(machines)}; Python {', '.join(pythons)}"
    yield ""
    yield f"{where}; {held}; {len(rows)} rows."


def _refuted(rows: list[Run]) -> Iterator[str]:
    """Say which bounds do not stand: proofs first, then what nobody calls a proof."""
    refuted = refutations(rows)
    wrong = [str(entry) for entry in refuted if entry.run.rigorous]
    claimed = [str(entry) for entry in refuted if not entry.run.rigorous]
    if not wrong:
        yield "No proven bound is above any point that was found."
    else:
        yield from ("", "**Refuted bounds:**", "", *(f"- {line}" for line in wrong))
    if claimed:
        yield from ("", "Values of floating-point solvers above a feasible point:", "")
        yield from (f"- {line}" for line in claimed)
