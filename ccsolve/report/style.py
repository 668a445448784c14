"""How all figures look: colours, one empty figure, labels at the ends of lines."""

import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ccsolve.errors import MissingExtra
from ccsolve.io.atomic import replacing

# Okabe and Ito's colours, then four of Tol's: told apart in any kind of sight, and in
# grey by the marker.
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000"),
    *("#882255", "#999933", "#332288", "#888888"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*")

_LABEL_HEIGHT = 11.0
"""Points between the labels of two lines that end side by side."""

_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "ccsolve"}
"""Text stays text in an SVG, and the same figure gives the same file."""


class End(NamedTuple):
    """Where a drawn line ends; x is None at the panel's right side."""

    axes: Any
    name: str
    colour: str
    height: float
    x: float | None = None


def require_matplotlib() -> None:
    """Raise MissingExtra, which says what to install, where matplotlib is missing."""
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError:
        raise MissingExtra(
            "figures need matplotlib; install it with: pip install 'ccsolve[report]'"
        ) from None


def figure(
    rows: int, columns: int, width: float, height: float
) -> tuple[Any, Sequence[Any]]:
    """Give an empty figure, and its rows·columns panels of that size in inches.

    The class is used directly, without pyplot: no window system, no global state.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    require_matplotlib()
    module = importlib.import_module("matplotlib.figure")
    size = (width * columns, height * rows)
    made = module.Figure(figsize=size, layout="constrained")
    return made, made.subplots(rows, columns, squeeze=False).ravel()


def grid(
    panels: int, columns: int, width: float, height: float
) -> tuple[Any, Sequence[Any]]:
    """Give a figure with that many panels in rows of ``columns``; the rest is blank."""
    columns = min(columns, panels)
    drawn, axes = figure(math.ceil(panels / columns), columns, width, height)
    for spare in axes[panels:]:
        spare.set_visible(False)
    return drawn, axes[:panels]


def save(drawn: Any, path: Path) -> Path:
    """Write a figure in the format that the suffix names, and give the path."""
    matplotlib: Any = importlib.import_module("matplotlib")
    kind = path.suffix.lstrip(".")
    undated = {"metadata": {"Date": None}} if kind == "svg" else {}
    with matplotlib.rc_context(_SETTINGS), replacing(path) as temporary:
        drawn.savefig(temporary, format=kind, dpi=120, **undated)
    return path


def looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give each name its colour and marker; the second round of colours is dashed."""
    styles = ("-", "--", ":")
    return {
        name: {
            "color": COLOURS[at % len(COLOURS)],
            "marker": MARKERS[at % len(MARKERS)],
            "linestyle": styles[at // len(COLOURS) % len(styles)],
        }
        for at, name in enumerate(names)
    }


def tidy(axes: Any, title: str) -> None:
    """Give a panel its title and a quiet grid."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(which="major", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def label_ends(drawn: Any, ends: Sequence[End]) -> None:
    """Write each line's name beside its end, pushed apart where lines end together.

    It comes last: panels must have their limits and titles, which decide their heights.
    """
    drawn.draw_without_rendering()
    for place in dict.fromkeys((end.axes, end.x) for end in ends):
        together = [end for end in ends if (end.axes, end.x) == place]
        _label(place[0], together, 72.0 / drawn.dpi)


def _label(axes: Any, ends: Sequence[End], scale: float) -> None:
    low, high = sorted(axes.get_ylim())
    ends = [end for end in ends if low <= end.height <= high]
    heights = [scale * axes.transData.transform((1.0, end.height))[1] for end in ends]
    placed = _apart(heights, _LABEL_HEIGHT)
    for end, height, wanted in zip(ends, heights, placed, strict=True):
        side = axes.get_yaxis_transform()
        axes.annotate(
            end.name,
            (1.0 if end.x is None else end.x, end.height),
            (5.0, wanted - height),
            xycoords=side if end.x is None else "data",
            textcoords="offset points",
            color=end.colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Stack heights that are nearer than ``least`` about their mean, run by run."""
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    runs: list[list[int]] = []
    for at in order:
        runs.append([at])
        while len(runs) > 1 and _top(runs[-2], heights, least) > _bottom(
            runs[-1], heights, least
        ):
            runs[-2].extend(runs.pop())
    placed = [0.0] * len(heights)
    for run in runs:
        start = _bottom(run, heights, least)
        for step, at in enumerate(run):
            placed[at] = start + (step + 0.5) * least
    return placed


def _bottom(run: Sequence[int], heights: Sequence[float], least: float) -> float:
    middle = sum(heights[at] for at in run) / len(run)
    return middle - 0.5 * least * len(run)


def _top(run: Sequence[int], heights: Sequence[float], least: float) -> float:
    return _bottom(run, heights, least) + least * len(run)
