"""The page: one table per suite, drawn from the rows alone."""

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.allocation.rows import Row
from benchmarks.allocation.suites import SUITES, Suite

_INTRODUCTION = """\
# Allocation, measured

One option per layer under budgets, and the smooth program. Made from raw rows by

    python -m benchmarks.allocation

and drawn again by `python -m benchmarks.allocation --report`. Every library runs in a
process of its own on one thread, warmed up; the instances are made by
`ccsolve.problems.generate_allocation`, budgets at 30 and 60 % in turn. Seconds are of
the process (CPU), because the machine is shared; the scorer computes every point's loss
and what it spends from the raw tables. Read them as ratios.

*times the first*: its median seconds over those of the first line. *worst*: the largest
such ratio, seed by seed, of the first line over the others (below 1: never slower).
*above the best*: the median of the loss above the best point that anybody found.
"""


_HEADINGS = (
    "seeds",
    "median s",
    "max s",
    "times the first",
    "worst",
    "above the best",
    "gap",
)


def page(rows: Sequence[Row]) -> str:
    """Give the Markdown page."""
    parts = [_INTRODUCTION]
    for suite in SUITES:
        own = [row for row in rows if row.suite == suite.name]
        if own:
            parts += [f"## {suite.name}\n", *_table(suite, own), ""]
    return "\n".join(parts).rstrip() + "\n"


def _table(suite: Suite, rows: Sequence[Row]) -> Iterator[str]:
    first = suite.competitors[0]
    yield f"| | {' | '.join(_HEADINGS)} |"
    yield "|---" * (1 + len(_HEADINGS)) + "|"
    best = _best(rows)
    base = {row.instance: row for row in rows if row.competitor == first}
    for name in suite.competitors:
        own = [row for row in rows if row.competitor == name and row.status == "ran"]
        if own:
            yield _line(name, own, base, best)
        for row in rows:
            if row.competitor == name and row.status != "ran":
                yield f"| {name} | {row.instance}: {row.status}: {row.note} ||||||| "
                break
    broken = [row for row in rows if (row.excess or 0.0) > 1e-9]
    if broken:
        names = sorted({row.competitor for row in broken})
        yield f"\nBudgets broken by: {', '.join(names)}."


def _line(
    name: str, own: Sequence[Row], base: dict[str, Row], best: dict[str, float]
) -> str:
    seconds = [row.cpu or 0.0 for row in own]
    paired = [(row.cpu, base[row.instance].cpu) for row in own if row.instance in base]
    ratios = [mine / ours for mine, ours in paired if mine and ours]
    times = statistics.median(seconds) / statistics.median(
        [ours for _, ours in paired if ours] or [1.0]
    )
    worst = max((1.0 / ratio for ratio in ratios), default=float("nan"))
    above = [
        (row.loss - best[row.instance]) / max(abs(best[row.instance]), 1e-300)
        for row in own
        if row.loss is not None
    ]
    gaps = [
        (row.loss - row.bound) / max(abs(row.loss), 1e-300)
        for row in own
        if row.loss is not None and row.bound is not None
    ]
    return (
        f"| {name} | {len(own)} | {statistics.median(seconds):.3g} | "
        f"{max(seconds):.3g} | {times:.3g} | {worst:.2g} | {_share(above)} | "
        f"{_share(gaps)} |"
    )


def _share(values: Sequence[float]) -> str:
    """Give the median and, behind it, the largest."""
    if not values:
        return "-"
    middle, most = statistics.median(values), max(values)
    return f"{max(0.0, middle):.1e} ({max(0.0, most):.1e})"


def _best(rows: Sequence[Row]) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        if row.loss is not None and (row.excess or 0.0) <= 1e-9:
            found[row.instance] = min(found.get(row.instance, row.loss), row.loss)
    return found
