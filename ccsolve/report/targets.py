"""The figure of time to target: the share of seeds that are there, over time."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ccsolve.bench.reading import by_instance, competitors, seconds_to
from ccsolve.bench.runs import Run
from ccsolve.report.curves import Look
from ccsolve.report.style import End, grid, label_ends, looks, save, tidy

LEAST_SECONDS = 1e-4
"""Where time axes begin; who is faster is drawn there."""


def time_to_target(runs: Iterable[Run], paths: Sequence[Path]) -> list[Path]:
    """Draw a panel per program; runs without a target have no place in it."""
    grouped = by_instance(run for run in runs if not math.isnan(run.target))
    if not grouped:
        return []
    drawn, panels = grid(len(grouped), 3, 4.6, 2.6)
    drawn.suptitle("Share of seeds that have reached the target, over time")
    look = looks(competitors(run for members in grouped.values() for run in members))
    ends: list[End] = []
    for axes, (name, members) in zip(panels, grouped.items(), strict=False):
        ends += _panel(axes, name, members, look)
    label_ends(drawn, ends)
    return [save(drawn, path) for path in paths]


def _panel(axes: Any, name: str, members: Sequence[Run], look: Look) -> list[End]:
    limit = max(2 * LEAST_SECONDS, *(run.limit for run in members))
    ends = []
    for competitor in competitors(members):
        runs = [run for run in members if run.competitor == competitor]
        times, shares = _share(runs, limit)
        colour = look[competitor]["color"]
        axes.step(times, shares, where="post", linewidth=1.6, color=colour)
        ends.append(End(axes, competitor, colour, shares[-1]))
    axes.set(xscale="log", xlim=(LEAST_SECONDS, limit), ylim=(-3, 103))
    axes.set(xlabel="seconds", ylabel="per cent of seeds")
    tidy(axes, name)
    return ends


def _share(runs: Sequence[Run], limit: float) -> tuple[list[float], list[float]]:
    """Give the steps of the empirical distribution, in per cent, up to the limit."""
    times = sorted(seconds_to(run, run.target) for run in runs)
    reached = [max(at, LEAST_SECONDS) for at in times if at <= limit]
    shares = [100.0 * count / len(runs) for count in range(len(reached) + 1)]
    return [LEAST_SECONDS, *reached, limit], [*shares, shares[-1]]
