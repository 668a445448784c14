"""The loss-budget front, and the bar that moves along it."""

import math
from collections.abc import Mapping

from ccsolve.fronts import FrontPoint
from ccsolve.report import words
from ccsolve.report.curve import Curve
from ccsolve.report.markup import Html, element, join, table
from ccsolve.report.sections.plans import plan_name
from ccsolve.report.sections.shell import (
    fold,
    number_cell,
    number_heading,
    section,
    term,
)
from ccsolve.report.subject import Subject
from ccsolve.tracing import OF_CHAINS

_FEW = 4
"""Fixed groups that are named; of more the number is told."""

_SCALE = (
    "The scale adds up the groups' losses, and lets no step down count for less than "
    "the one before: plans stand on it at or above the front, whatever they minimised "
    "themselves. The front's bounds and gaps are over widths, on this scale."
)


def front(subject: Subject) -> Html | None:
    """Give the section of the front; None without one."""
    curve = subject.curve
    if curve is None:
        return None
    over = words.resource(curve.over)
    return section(
        "front",
        "What each budget costs",
        [
            join(
                [
                    "The ",
                    term("front"),
                    f" is the least predicted loss at every budget of {over}. Each of "
                    f"its {len(curve.points)} points was solved beforehand, with its "
                    "own widths, bound and price.",
                ]
            ),
            _SCALE if curve.places and curve.recipe not in OF_CHAINS else None,
            _without_a_place(subject, curve),
            _rules(curve),
        ],
        element("div", class_="chart js", id="front-chart"),
        _legend(subject, curve),
        element("p", class_="price js", data_show="price", aria_live="polite"),
        fold(f"All {len(curve.points)} points", _table(curve)),
    )


def _without_a_place(subject: Subject, curve: Curve) -> str | None:
    names = [name for name in subject.plans if name not in curve.places]
    if not names or subject.stats is None:
        return None
    return f"Without a place on this scale: {', '.join(names)}."


def _rules(curve: Curve) -> str | None:
    if not curve.rules:
        return None
    said = [f"{name.replace('_', ' ')} {_rule(it)}" for name, it in curve.rules.items()]
    return f"Its points keep to what was asked of the widths: {'; '.join(said)}."


def _rule(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    if len(value) > _FEW:
        return f"{len(value)} of them"
    return ", ".join(f"{name} at {size}" for name, size in value.items())


def bar(subject: Subject) -> Html | None:
    """Give the bar with the slider, which stays in sight; None without a front."""
    curve = subject.curve
    if curve is None:
        return None
    over = words.resource(curve.over)
    label = element(
        "label", "Budget", element("span", f" of {over} that may remain"), for_="budget"
    )
    slider = element(
        "input",
        type="range",
        id="budget",
        min="0",
        max=str(len(curve.points) - 1),
        step="1",
        value=str(start(subject)),
    )
    shown = [
        element("div", element("dt", name), element("dd", "–", data_show=key))
        for key, name in (
            ("cost", over),
            ("loss", "predicted loss"),
            ("bound", "bound"),
            ("gap", "gap"),
        )
    ]
    jumps = [
        element("button", plan_name(subject, name), type="button", data_point=str(at))
        for name, at in stops(subject).items()
    ]
    return element(
        "div",
        element("div", label, element("span", *jumps, class_="jumps"), class_="line"),
        slider,
        element("dl", *shown, class_="readout", aria_live="polite"),
        class_="bar js",
    )


def stops(subject: Subject) -> dict[str, int]:
    """Give the point of the curve that each plan's budget leads to, by plan's name."""
    curve = subject.curve
    if curve is None:
        return {}
    limits = {
        name: plan.asked.get(curve.over, plan.achieved.get(curve.over))
        for name, plan in subject.plans.items()
    }
    return {
        name: curve.at(limit) for name, limit in limits.items() if limit is not None
    }


def start(subject: Subject) -> int:
    """Give the point that is shown first: that of the first plan."""
    points = len(subject.curve.points) if subject.curve else 1
    return next(iter(stops(subject).values()), points // 2)


def _legend(subject: Subject, curve: Curve) -> Html:
    items = [
        join([element("i", class_="key loss"), _line_name(curve)]),
        join([element("i", class_="key bound"), "proven bound"])
        if curve.loose
        else None,
        *(plan_name(subject, name) for name in curve.places),
    ]
    scale = element(
        "fieldset",
        element("legend", "loss axis"),
        _choice("linear", len(subject.plans) == 1),
        _choice("log", len(subject.plans) > 1),
        class_="scale",
    )
    entries = [element("li", item) for item in items if item is not None]
    return element("div", element("ul", *entries), scale, class_="legend js")


def _line_name(curve: Curve) -> str:
    if curve.loose:
        return "least predicted loss"
    return "least predicted loss, proven within 0.5 %"


def _choice(name: str, chosen: bool) -> Html:
    button = element("input", type="radio", name="scale", value=name, checked=chosen)
    return element("label", button, name)


def _table(curve: Curve) -> Html:
    over = words.resource(curve.over)
    headings = (f"{over} remain", "at most", "loss", "bound", "gap", "1 % more buys")
    rows = [_row(curve, point) for point in curve.points]
    return table(
        "The front, point by point",
        [number_heading(text) for text in headings],
        rows,
        class_="points",
    )


def _row(curve: Curve, point: FrontPoint) -> list[Html]:
    bought = 0.01 * curve.dense * point.price
    texts = (
        words.amount(point.limit, curve.over),
        words.number(point.loss),
        words.number(point.bound),
        words.gap(curve.gap(point)),
        words.number(bought if math.isfinite(bought) else None),
    )
    share = words.percent(point.cost / curve.dense)
    head = element("th", share, scope="row", class_="n")
    return [head, *map(number_cell, texts)]
