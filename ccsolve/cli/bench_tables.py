"""The tables of `ccsolve bench`: one per program, and what they say together."""

import math
from collections.abc import Iterator, Sequence
from statistics import mean, median

from rich.table import Table
from rich.text import Text

from ccsolve.bench.reading import above, best_value, by_instance, competitors
from ccsolve.bench.runs import RAN, Run
from ccsolve.bench.side_by_side import RANKING, Entry
from ccsolve.bench.summary import PROVEN, SAME
from ccsolve.cli import console
from ccsolve.solution import relative_gap

_LARGE = 10.0
_FAR = 0.1
"""A point this much above the best is marked."""


def program(entry: Entry, rows: Sequence[Run], running: str | None) -> Table:
    """Give one program's table; ``running`` names the method at work."""
    title = f"{entry.instance}: n = {entry.problem.n}, keep {entry.problem.keep}"
    shown = _table(title)
    for heading in ("value", "above best", "bound", "gap", "best at", "s", "ended"):
        shown.add_column(heading, justify="right", no_wrap=True)
    best = best_value(run for run in rows if run.status == RAN)
    for name in competitors(rows):
        own = [row for row in rows if row.competitor == name]
        shown.add_row(*_cells(name, own, best))
    if running is not None:
        shown.add_row(Text(f"{running} ...", style="dim"))
    return shown


def summary(rows: Sequence[Run]) -> Iterator[Table | str]:
    """Give the methods' table over all programs, and a sentence on what is proven."""
    programs = by_instance(rows)
    if not programs:
        yield "nothing was run"
        return
    yield _methods(rows, programs)
    yield ""
    yield from _sentences(programs)


def _table(title: str) -> Table:
    shown = Table(
        box=None,
        pad_edge=False,
        title=title,
        title_justify="left",
        title_style="bold",
    )
    shown.add_column("method", no_wrap=True)
    return shown


def _cells(name: str, own: Sequence[Run], best: float) -> Iterator[Text | str]:
    """Give a line; over several seeds the medians, and the worst distance."""
    if own[0].status != RAN:
        yield from (Text(name, style="dim"), Text("-", style="dim"))
        yield from ["-"] * 5
        yield Text(own[0].status, style="dim")
        return
    value, bound = median(run.objective for run in own), max(run.bound for run in own)
    excess = [above(run.objective, best) for run in own]
    yield name if len(own) == 1 else f"{name} ({len(own)} seeds)"
    yield console.number(value)
    yield _excess(median(excess), max(excess))
    yield console.number(bound)
    yield _gap(relative_gap(value, bound, own[0].resolution))
    yield _seconds(median(run.points[-1][0] for run in own))
    yield _seconds(mean(run.seconds for run in own))
    yield own[0].stop


def _excess(middle: float, worst: float) -> Text:
    if worst <= SAME:
        return Text("best", style="green")
    text = _distance(middle)
    if worst > middle + SAME:
        text += f" to {_distance(worst)}"
    return Text(text, style="red" if middle > _FAR else "")


def _distance(part: float) -> str:
    """Give a relative distance in per cent; as a factor where it is large."""
    if part <= SAME:
        return "0"
    return console.gap(part) if part < _LARGE else f"{1 + part:,.0f} times"


def _gap(gap: float) -> Text:
    if gap <= PROVEN:
        return Text("proven", style="bold green")
    return Text(console.gap(gap) if math.isfinite(gap) else "-")


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _methods(rows: Sequence[Run], programs: dict[str, list[Run]]) -> Table:
    shown = _table(f"All {len(programs)} programs" if len(programs) > 1 else "Summary")
    for heading in (
        "best found",
        "above best, median",
        "worst",
        "proven",
        "gap, median",
    ):
        shown.add_column(heading, justify="right", no_wrap=True)
    for name in competitors(row for row in rows if row.status == RAN):
        own = [
            (run, best_value(members))
            for members in programs.values()
            for run in members
            if run.competitor == name
        ]
        excess = [above(run.objective, best) for run, best in own]
        gaps = [relative_gap(best, run.bound, run.resolution) for run, best in own]
        shown.add_row(
            name,
            f"{sum(part <= SAME for part in excess)}/{len(own)}",
            _distance(median(excess)),
            _distance(max(excess)),
            f"{sum(gap <= PROVEN for gap in gaps)}/{len(own)}",
            console.gap(median(gaps)) if median(gaps) < math.inf else "-",
        )
    return shown


def _sentences(programs: dict[str, list[Run]]) -> Iterator[str]:
    """Say what ranking costs, and what all methods together prove."""
    ranked = [
        above(run.objective, best_value(members))
        for members in programs.values()
        for run in members
        if run.competitor == RANKING
    ]
    if ranked:
        yield (
            f"Ranking channels one by one ({RANKING}) ends above the best by "
            f"{_distance(median(ranked))} (median), {_distance(max(ranked))} (worst)."
        )
    gaps = [_least_gap(members) for members in programs.values()]
    proven = sum(gap <= PROVEN for gap in gaps)
    rest = [gap for gap in gaps if gap > PROVEN]
    told = f"Proven best: {proven} of {len(gaps)}."
    if rest and max(rest) < math.inf:
        told += (
            f" On the others nothing can be more than {console.gap(max(rest))} lower."
        )
    yield told


def _least_gap(members: Sequence[Run]) -> float:
    bound = max(run.bound for run in members)
    return relative_gap(best_value(members), bound, members[0].resolution)
