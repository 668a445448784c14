"""How the plans came about: options, and what is proven group by group."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ccsolve.plans import Plan
from ccsolve.report import words
from ccsolve.report.markup import Html, element, table
from ccsolve.report.sections.plans import plan_name
from ccsolve.report.sections.shell import fold, number_cell, number_heading, section
from ccsolve.report.subject import Subject
from ccsolve.solution import relative_gap

_PARTS = ("groups", "layers")
"""Entries of the provenance that are tables of their own."""


def making(subject: Subject) -> Html:
    """Give the section of how the plans were made."""
    many = len(subject.plans) > 1
    return section(
        "making",
        "How they were made" if many else "How it was made",
        ["Options of the recipe as the plan's file holds them."],
        *(
            part
            for name, plan in subject.plans.items()
            for part in _plan(subject, name, plan)
        ),
    )


def _plan(subject: Subject, name: str, plan: Plan) -> Iterator[Html]:
    if len(subject.plans) > 1:
        yield element("h3", plan_name(subject, name))
    rows = [
        [key, element("td", _text(value), class_="code")]
        for key, value in plan.provenance.items()
        if key not in _PARTS and value is not None
    ]
    yield fold("Options", table(f"Recipe {plan.recipe}", ["option", "value"], rows))
    groups = plan.provenance.get("groups")
    if isinstance(groups, Mapping) and groups:
        yield fold("Group by group", _groups(groups))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _groups(groups: Mapping[str, Any]) -> Html:
    headings = ["group", "method", *map(number_heading, ("value", "bound", "gap"))]
    rows = []
    for name, entry in groups.items():
        if not isinstance(entry, Mapping):
            continue
        value, bound = (_real(entry.get(key)) for key in ("objective", "bound"))
        gap = words.DASH
        if value is not None:
            least = -math.inf if bound is None else bound
            gap = words.gap(relative_gap(value, least, 1e-9 * abs(value)))
        numbers = (words.number(value), words.number(bound), gap)
        method = str(entry.get("method", words.DASH))
        rows.append([name, method, *map(number_cell, numbers)])
    return table("What each group's program gave", headings, rows)


def _real(value: Any) -> float | None:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if real else None
