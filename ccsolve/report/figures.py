"""The demo's figures: what heuristics lose per program, and what is proven."""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ccsolve.bench.rows import SOLVER, Row
from ccsolve.bench.summary import PROVEN, Line, excess, families, lines, methods_of
from ccsolve.report.style import COLOURS, MARKERS, figure, save

_TITLES = {"ggn": "Gauss-Newton curvature", "fisher": "empirical Fisher curvature"}


def draw(rows: Iterable[Row], folder: Path) -> list[Path]:
    """Write `objectives.png` and `gaps.png` into a folder and give their paths.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    grouped = families(lines(rows))
    if not grouped:
        return []
    return [
        save(_objectives(grouped), folder / "objectives.png"),
        save(_gaps(grouped), folder / "gaps.png"),
    ]


def _objectives(grouped: dict[str, list[Line]]) -> Any:
    drawn, panels = figure(len(grouped), 1, 11.0, 3.6)
    drawn.suptitle("Predicted rise of the loss, divided by the best known per group")
    for axes, (family, members) in zip(panels, grouped.items(), strict=True):
        axes.axhline(1.0, color="black", linewidth=0.8)
        names = [name for name in methods_of(members) if name != SOLVER] + [SOLVER]
        for index, name in enumerate(names):
            ratios = [1 + excess(line.values[name], line.best) for line in members]
            axes.plot(ratios, label=name, alpha=0.85, **_mark(index))
        _draw_bounds(axes, members)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(_ticker().LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}×")
        axes.yaxis.set_minor_formatter(_ticker().NullFormatter())
        axes.set_ylabel("times the best known")
        _title(axes, family)
        axes.legend(
            ncols=len(names) + 1, loc="lower right", bbox_to_anchor=(1, 1),
            frameon=False, columnspacing=1.0, handletextpad=0.3,
        )  # fmt: skip
    _name_groups(panels, grouped)
    return drawn


def _draw_bounds(axes: Any, members: Sequence[Line]) -> None:
    """Mark what is proven: no selection lies below. Bounds of 0 are off a log scale."""
    places = [at for at, line in enumerate(members) if _relative_bound(line) > 0.01]
    heights = [_relative_bound(members[at]) for at in places]
    style = {"linestyle": "", "marker": "_", "markersize": 12, "color": "black"}
    axes.plot(places, heights, label="proven bound", **style)


def _relative_bound(line: Line) -> float:
    return line.solver.bound / line.best if line.best > 0 else 1.0


def _gaps(grouped: dict[str, list[Line]]) -> Any:
    drawn, panels = figure(len(grouped), 1, 11.0, 2.6)
    drawn.suptitle("What remains unproven: (objective - bound) / objective")
    for axes, (family, members) in zip(panels, grouped.items(), strict=True):
        gaps = [100 * min(line.solver.gap, 1.0) for line in members]
        axes.bar(range(len(members)), gaps, color=COLOURS[0], width=0.7)
        for place, line in enumerate(members):
            if line.solver.gap <= PROVEN:
                axes.annotate(
                    "proven", (place, 0), (0, 3), textcoords="offset points",
                    rotation=90, ha="center", va="bottom", color=COLOURS[2],
                )  # fmt: skip
        axes.set_ylabel("gap, per cent\n(cut at 100)")
        axes.set_ylim(0, max([10.0, *(1.1 * gap for gap in gaps)]))
        _title(axes, family)
    _name_groups(panels, grouped)
    return drawn


def _mark(index: int) -> dict[str, Any]:
    kind = index % len(COLOURS)
    shape = {"marker": MARKERS[kind], "markersize": 6, "linestyle": ""}
    return {"color": COLOURS[kind], **shape}


def _ticker() -> Any:
    return importlib.import_module("matplotlib.ticker")


def _title(axes: Any, family: str) -> None:
    axes.set_title(_TITLES.get(family, family), loc="left", fontsize=11)
    axes.grid(axis="y", which="major", alpha=0.4)
    axes.set_axisbelow(True)


def _name_groups(panels: Sequence[Any], grouped: dict[str, list[Line]]) -> None:
    """Name the groups below each panel, or once where all panels have the same."""
    names = [
        [f"{line.instance} ({line.solver.n})" for line in members]
        for members in grouped.values()
    ]
    same = all(panel == names[0] for panel in names)
    for index, (axes, labels) in enumerate(zip(panels, names, strict=True)):
        shown = not same or index == len(names) - 1
        texts = labels if shown else [""] * len(labels)
        axes.set_xticks(range(len(labels)), texts, rotation=60, ha="right", fontsize=8)
        axes.set_xlim(-0.6, len(labels) - 0.4)
    panels[-1].set_xlabel("channel group (number of channels)")
