"""Figures of plans for papers: front, widths before and after, measured losses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ccsolve.report import words
from ccsolve.report.curve import Curve
from ccsolve.report.sections.measured import series
from ccsolve.report.style import COLOURS, MARKERS, figure, save, tidy
from ccsolve.report.subject import Subject

_NAMED = 60
"""Groups that are named below the figure of widths; of more the names would overlap."""


def draw(subject: Subject, folder: Path, kind: str = "svg") -> list[Path]:
    """Write `front`, `widths` and `measured` as far as there is something to draw.

    Parameters
    ----------
    subject
        What they are about.
    folder
        Where they go; it exists.
    kind
        "svg", "png" or "pdf".

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    drawn: dict[str, Any] = {}
    if any(plan.widths != dict(plan.sizes) for plan in subject.plans.values()):
        drawn["widths"] = _widths(subject)
    if subject.curve is not None:
        drawn["front"] = _front(subject, subject.curve)
    if subject.measured:
        drawn["measured"] = _measured(subject)
    return [save(each, folder / f"{name}.{kind}") for name, each in drawn.items()]


def _front(subject: Subject, curve: Curve) -> Any:
    made, (axes,) = figure(1, 1, 5.2, 3.4)
    shares = [100 * point.cost / curve.dense for point in curve.points]
    losses = [point.loss for point in curve.points]
    bounds = [max(point.bound, 0.0) for point in curve.points]
    axes.plot(shares, losses, color=COLOURS[0], label="least predicted loss")
    axes.plot(shares, bounds, "--", color=COLOURS[1], label="proven bound")
    axes.fill_between(shares, bounds, losses, color=COLOURS[0], alpha=0.15)
    for at, (name, place) in enumerate(curve.places.items()):
        style = {"marker": MARKERS[at % len(MARKERS)], "linestyle": ""}
        colour = COLOURS[(at + 2) % len(COLOURS)]
        share = 100 * place.cost / curve.dense
        axes.plot([share], [place.loss], color=colour, label=name, **style)
    axes.set_xlabel(f"{words.resource(curve.over)} that remain, per cent")
    axes.set_ylabel("predicted rise of the loss")
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    tidy(axes, subject.heading)
    return made


def _widths(subject: Subject) -> Any:
    sizes, count = subject.sizes, len(subject.sizes)
    made, (axes,) = figure(1, 1, min(16.0, max(5.2, 0.26 * count)), 3.4)
    places = range(count)
    axes.bar(places, list(sizes.values()), 0.8, color="#d9d9d9", label="dense")
    each = 0.8 / len(subject.plans)
    for at, (name, plan) in enumerate(subject.plans.items()):
        left = [place - 0.4 + each * (at + 0.5) for place in places]
        kept = [plan.widths[group] for group in sizes]
        axes.bar(left, kept, each, color=COLOURS[at % len(COLOURS)], label=name)
    axes.set_ylabel("channels")
    if count <= _NAMED:
        axes.set_xticks(places, list(sizes), rotation=90, fontsize=7)
    else:
        axes.set_xlabel("group")
    axes.set_xlim(-0.6, count - 0.4)
    axes.legend(frameon=False, ncols=len(subject.plans) + 1, fontsize=8)
    tidy(axes, subject.heading)
    axes.grid(axis="x", visible=False)
    return made


def _measured(subject: Subject) -> Any:
    made, (axes,) = figure(1, 1, 4.2, 4.0)
    for at, name in enumerate(series(subject.measured)):
        rows = [row for row in subject.measured if row.series == name]
        axes.errorbar(
            [row.predicted for row in rows],
            [row.measured for row in rows],
            [row.error or 0.0 for row in rows],
            color=COLOURS[at % len(COLOURS)],
            marker=MARKERS[at % len(MARKERS)],
            linestyle="",
            label=name or None,
        )
    _diagonal(axes, [part for row in subject.measured for part in row[1:3]])
    axes.set(xlabel="predicted rise of the loss", ylabel="measured rise of the loss")
    if len(series(subject.measured)) > 1:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
        axes.legend(frameon=False, fontsize=8, **beside)
    tidy(axes, subject.heading)
    return made


def _diagonal(axes: Any, values: Sequence[float]) -> None:
    """Draw where both are alike; axes are logarithmic where values spread so far."""
    low, high = min(values), max(values)
    if low > 0 and high > 20 * low:
        axes.set(xscale="log", yscale="log")
    axes.plot([low, high], [low, high], ":", color="black", linewidth=1.0)
