"""Figures of runs: points and bounds over time, and by size."""

import importlib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ccsolve.bench.reading import above, best_value, by_instance, competitors
from ccsolve.bench.runs import Curve, Run
from ccsolve.report.style import End, grid, label_ends, looks, save, tidy

LEAST_SECONDS = 1e-3
"""Where time axes begin; what is faster is drawn there."""
_LEAST = 0.01
"""Smaller distances, in per cent, are drawn as this one on logarithmic axes."""
_LOOSEST = 200.0
"""Per cent where the axis of bounds over time begins."""
_PANELS = 12
_FARTHEST = 1000.0
"""Per cent beyond which a curve leaves the panel."""

Look = dict[str, dict[str, Any]]
Sizes = dict[str, dict[int, list[float]]]
"""Competitor -> n -> distances in per cent."""


def anytime(runs: Iterable[Run], paths: Sequence[Path]) -> list[Path]:
    """Draw each program's points (solid) and bounds (dotted) over time.

    Both are in per cent of the best value known, so that a gap is what lies between
    them. Of each competitor the first seed is drawn. Of more than `_PANELS` programs
    those with the widest gaps are. No file without a curve.
    """
    title = "Best point (solid) and lower bound (dotted) over time"
    shown = [run for run in runs if run.points or run.bounds]
    return _by_program(shown, paths, title, _anytime_panel)


def bounds_over_time(runs: Iterable[Run], paths: Sequence[Path]) -> list[Path]:
    """Draw each program's bounds over time, in per cent below the best value known.

    The axis is logarithmic and points down: higher is tighter. Otherwise as `anytime`.
    """
    title = "How far bounds stay below the best known value, over time"
    return _by_program([run for run in runs if run.bounds], paths, title, _bounds_panel)


def bounds_by_size(runs: Iterable[Run], paths: Sequence[Path]) -> list[Path]:
    """Draw how far each bound stays below the best value known, by n and family."""
    title = "How far bounds stay below the best known value, by n (median)"
    return _by_size(runs, paths, title, lambda run, best: -above(run.bound, best))


def points_by_size(runs: Iterable[Run], paths: Sequence[Path]) -> list[Path]:
    """Draw how far each point stays above the best value known, by n and family."""
    title = "How far points stay above the best known value, by n (median)"
    return _by_size(runs, paths, title, lambda run, best: above(run.objective, best))


def _by_program(
    runs: Sequence[Run],
    paths: Sequence[Path],
    title: str,
    panel: Callable[[Any, str, Sequence[Run], Look], list[End]],
) -> list[Path]:
    found = by_instance(runs)
    grouped = _widest(found)
    if not grouped:
        return []
    drawn, panels = grid(len(grouped), 2, 6.0, 3.4)
    cut = f" (the {len(grouped)} widest gaps of {len(found)})"
    drawn.suptitle(title + (cut if len(found) > len(grouped) else ""))
    look = looks(competitors(run for members in grouped.values() for run in members))
    ends: list[End] = []
    for axes, (name, members) in zip(panels, grouped.items(), strict=False):
        ends += panel(axes, name, members, look)
    label_ends(drawn, ends)
    return [save(drawn, path) for path in paths]


def _widest(grouped: dict[str, list[Run]]) -> dict[str, list[Run]]:
    """Give the programs with the widest gaps between best point and best bound."""

    def width(name: str) -> float:
        members = grouped[name]
        best = best_value(members)
        gap = -above(max(run.bound for run in members), best)
        return math.inf if math.isnan(gap) else gap

    kept = set(sorted(grouped, key=width, reverse=True)[:_PANELS])
    return {name: members for name, members in grouped.items() if name in kept}


def _anytime_panel(
    axes: Any, name: str, members: Sequence[Run], look: Look
) -> list[End]:
    best, ends = best_value(members), dict[tuple[str, float], End]()
    first = {run.competitor: run for run in reversed(members)}
    last = max(2 * LEAST_SECONDS, *(run.seconds for run in members))
    axes.axhline(0.0, color="black", linewidth=0.6)
    for competitor, run in reversed(first.items()):
        colour, marker = look[competitor]["color"], look[competitor]["marker"]
        ended = {"marker": marker, "markevery": [-1], "markersize": 5}
        for curve, style in ((run.points, "-"), (run.bounds, ":")):
            times, heights = _steps(curve, best, last)
            if times:
                axes.plot(times, heights, style, color=colour, linewidth=1.6, **ended)
                # One name where both curves of a competitor meet.
                key = competitor, round(heights[-1], 1)
                ends[key] = End(axes, competitor, colour, heights[-1])
    axes.set(xscale="log", xlim=(LEAST_SECONDS, 1.1 * last), xlabel="seconds")
    axes.set_yscale("symlog", linthresh=0.1)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -_FARTHEST), min(high, _FARTHEST))
    axes.set_ylabel("per cent from the best known")
    _plain_numbers(axes.yaxis)
    tidy(axes, name)
    return list(ends.values())


def _bounds_panel(
    axes: Any, name: str, members: Sequence[Run], look: Look
) -> list[End]:
    best, ends = best_value(members), []
    last = max(2 * LEAST_SECONDS, *(run.seconds for run in members))
    for competitor, run in {run.competitor: run for run in reversed(members)}.items():
        times, heights = _steps(run.bounds, best, last)
        shown = [max(_LEAST, -height) for height in heights]
        style = {key: look[competitor][key] for key in ("color", "marker", "linestyle")}
        axes.plot(times, shown, markevery=[-1], markersize=5, linewidth=1.6, **style)
        ends.append(End(axes, competitor, look[competitor]["color"], shown[-1]))
    axes.set(xscale="log", xlim=(LEAST_SECONDS, 1.1 * last), xlabel="seconds")
    axes.set_yscale("log")
    tightest = min([50.0, *(end.height for end in ends)])
    axes.set_ylim(_LOOSEST, tightest / 1.5)
    axes.set_ylabel("per cent below the best known")
    _log_numbers(axes.yaxis)
    tidy(axes, name)
    return ends


def _steps(curve: Curve, best: float, last: float) -> tuple[list[float], list[float]]:
    """Give a curve as steps that hold to the end, in per cent from the best."""
    times: list[float] = []
    heights: list[float] = []
    for seconds, value in curve:
        times += [max(seconds, LEAST_SECONDS)] * (2 if heights else 1)
        heights += [*heights[-1:], 100.0 * above(value, best)]
    return ([*times, last], [*heights, heights[-1]]) if times else ([], [])


def _by_size(
    runs: Iterable[Run],
    paths: Sequence[Path],
    title: str,
    distance: Callable[[Run, float], float],
) -> list[Path]:
    """Draw a panel per family; no file without a family of several sizes."""
    families = _distances(runs, distance)
    if not families:
        return []
    drawn, panels = grid(len(families), 2, 6.0, 3.6)
    drawn.suptitle(title)
    names = (name for sizes in families.values() for name in sizes)
    look = looks(list(dict.fromkeys(names)))
    ends: list[End] = []
    for axes, (family, sizes) in zip(panels, families.items(), strict=False):
        ends += _size_panel(axes, family, sizes, look)
    label_ends(drawn, ends)
    return [save(drawn, path) for path in paths]


def _distances(
    runs: Iterable[Run], distance: Callable[[Run, float], float]
) -> dict[str, Sizes]:
    """Give family -> competitor -> n -> per cent, for families of several sizes."""
    families: dict[str, Sizes] = {}
    for members in by_instance(runs).values():
        best = best_value(members)
        for run in members:
            found = 100.0 * distance(run, best)
            if not math.isnan(found):
                sizes = families.setdefault(run.family.partition(" n=")[0], {})
                sizes.setdefault(run.competitor, {}).setdefault(run.n, []).append(found)
    return {name: sizes for name, sizes in families.items() if len(_all_n(sizes)) > 1}


def _all_n(sizes: Sizes) -> list[int]:
    return sorted({n for by_n in sizes.values() for n in by_n})


def _size_panel(axes: Any, family: str, sizes: Sizes, look: Look) -> list[End]:
    ends = []
    for name, by_n in sizes.items():
        ns = sorted(by_n)
        heights = [max(_LEAST, median(by_n[n])) for n in ns]
        axes.plot(ns, heights, markersize=5, **look[name])
        side = None if ns[-1] == _all_n(sizes)[-1] else ns[-1]
        ends.append(End(axes, name, look[name]["color"], heights[-1], side))
    axes.set_xscale("log", base=2)
    axes.set_xticks(_all_n(sizes))
    axes.xaxis.set_minor_locator(
        importlib.import_module("matplotlib.ticker").NullLocator()
    )
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(_LEAST / 1.5, low), min(_FARTHEST, max(1.0, high)))
    axes.set(xlabel="n", ylabel=f"per cent ({_LEAST:g} and less: at the bottom)")
    _plain_numbers(axes.xaxis)
    _log_numbers(axes.yaxis)
    tidy(axes, family)
    return ends


def _plain_numbers(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def _log_numbers(axis: Any) -> None:
    """Name 1, 2 and 5 of every decade: an axis may show less than one."""
    ticker = importlib.import_module("matplotlib.ticker")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_minor_formatter(ticker.NullFormatter())
    _plain_numbers(axis)
