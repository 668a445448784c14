"""What `ccsolve report` runs: reads files, solves the front, writes the page."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ccsolve import data
from ccsolve.cli import console
from ccsolve.cli.outcome import DONE
from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve.planning import plan
from ccsolve.plans import Plan
from ccsolve.report import page
from ccsolve.report.curve import Curve, traced
from ccsolve.report.plan_figures import draw
from ccsolve.report.sources import Sources, read_sources
from ccsolve.report.style import require_matplotlib
from ccsolve.report.subject import Subject
from ccsolve.statistics import Statistics

SHIPPED = "resnet56_cifar10"
"""Statistics that are reported on where nothing is given."""

HALF = 0.5
POINTS, SECONDS = 40, 2.0


class Asked(NamedTuple):
    """What the command line says."""

    files: tuple[str, ...]
    stats: str | None
    over: str | None
    losses: str | None
    points: int | None
    time_limit: float | None
    title: str
    seed: int | None


def run(
    asked: Asked, output: Path, figures: Path | None, format: str, json: bool
) -> int:
    """Write the page, and the figures where a folder is given."""
    if figures is not None:
        require_matplotlib()
        _make(figures)
    subject = _subject(asked)
    page.save(subject, output)
    drawn = [] if figures is None else draw(subject, figures, format)
    if json:
        console.show_json(_document(subject, output, drawn))
    else:
        console.show(*(f"written: {path}" for path in (output, *drawn)))
    return DONE


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"{folder}: no folder ({error.strerror})") from None


def _subject(asked: Asked) -> Subject:
    given = read_sources(asked.files, asked.stats)
    _require_of_use(asked, given)
    sources = _with_a_plan(given, asked)
    # Plans and statistics are compared before anything is solved.
    subject = Subject(
        sources.plans, sources.stats, sources.curve, sources.measured, asked.title
    )
    curve = sources.curve or _traced(sources, asked)
    return Subject(subject.plans, subject.stats, curve, subject.measured, subject.title)


def _require_of_use(asked: Asked, given: Sources) -> None:
    """Refuse options that would change nothing."""
    if asked.seed is not None and given.plans:
        raise InvalidProblem("--seed: is of a plan that is made, and one is given")
    names = ("over", "losses", "points", "time_limit")
    front = [name for name in names if getattr(asked, name) is not None]
    if front and given.curve is not None:
        why = "is of a front that is solved, and one is given; leave one of them out"
    elif front and given.plans and given.stats is None:
        why = "is of a front, which takes statistics; give --stats"
    else:
        return
    raise InvalidProblem(f"--{front[0].replace('_', '-')}: {why}")


def _with_a_plan(sources: Sources, asked: Asked) -> Sources:
    """Make a plan where none is given, of shipped statistics where none are."""
    if sources.plans:
        return sources
    stats = sources.stats or Statistics.load(data.path(SHIPPED))
    made = plan(stats, macs=HALF, seed=asked.seed or 0)
    return Sources({"half of the MACs": made}, sources.curve, sources.measured, stats)


def _traced(sources: Sources, asked: Asked) -> Curve | None:
    if sources.stats is None:
        return None
    return traced(
        sources.stats,
        sources.plans,
        asked.over or _resource(sources.plans.values()),
        losses=asked.losses,
        points=POINTS if asked.points is None else asked.points,
        time_limit=SECONDS if asked.time_limit is None else asked.time_limit,
    )


def _resource(plans: Iterable[Plan]) -> str:
    """Give the resource that the first plan was asked to save."""
    return next((name for made in plans for name in made.asked), "macs")


def _document(subject: Subject, output: Path, drawn: list[Path]) -> dict[str, object]:
    curve = subject.curve
    return {
        "output": str(output),
        "figures": [str(path) for path in drawn],
        "plans": {name: _summary(made) for name, made in subject.plans.items()},
        "over": None if curve is None else curve.over,
        "points": 0 if curve is None else len(curve.points),
        "measurements": len(subject.measured),
    }


def _summary(made: Plan) -> dict[str, object]:
    names = ("recipe", "asked", "achieved", "objective", "bound", "gap", "widths")
    return {name: getattr(made, name) for name in names}
