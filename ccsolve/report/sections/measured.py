"""Predicted losses against measured ones."""

from collections.abc import Sequence

import numpy as np

from ccsolve.report import words
from ccsolve.report.markup import Html, element, join, table
from ccsolve.report.measurements import Measurement
from ccsolve.report.sections.shell import (
    fold,
    number_cell,
    number_heading,
    plan_mark,
    section,
)
from ccsolve.report.subject import Subject
from ccsolve.validation.fit import rank_correlation


def measured(subject: Subject) -> Html | None:
    """Give the section of what was measured; None where nothing was."""
    rows = subject.measured
    if not rows:
        return None
    return section(
        "measured",
        "Predicted against measured",
        [
            "Every mark is a network. On the diagonal the loss rises as predicted; "
            "above it, by more.",
            "Hollow marks are after a repair."
            if any(row.repaired is not None for row in rows)
            else None,
            "Whiskers are one standard error of the measurement."
            if any(row.error for row in rows)
            else None,
        ],
        element("div", class_="chart js", id="measured-chart"),
        _legend(rows),
        _agreement(rows),
        fold(f"All {len(rows)} measurements", _table(rows)),
    )


def series(rows: Sequence[Measurement]) -> list[str]:
    """Give the names of the series, in order."""
    return list(dict.fromkeys(row.series for row in rows))


def _legend(rows: Sequence[Measurement]) -> Html | None:
    names = series(rows)
    if len(names) < 2:
        return None
    items = [
        element("li", join([plan_mark(at), name])) for at, name in enumerate(names)
    ]
    return element("div", element("ul", *items), class_="legend js")


def _agreement(rows: Sequence[Measurement]) -> Html:
    """Give how well each series agrees with what was measured."""
    headings = ("networks", "measured / predicted, median", "rank correlation")
    body = []
    for name in series(rows):
        own = [row for row in rows if row.series == name]
        predicted = np.array([row.predicted for row in own])
        measured = np.array([row.measured for row in own])
        ratios = measured[predicted > 0] / predicted[predicted > 0]
        ratio = float(np.median(ratios)) if len(ratios) else None
        rank = rank_correlation(predicted, measured) if len(own) > 2 else None
        texts = (str(len(own)), words.number(ratio), words.number(rank))
        body.append([name or "all", *map(number_cell, texts)])
    return table(
        "How far predictions agree", ["model", *map(number_heading, headings)], body
    )


def _table(rows: Sequence[Measurement]) -> Html:
    several = len(series(rows)) > 1
    repaired = any(row.repaired is not None for row in rows)
    names = ["predicted", "measured", "standard error"]
    names += ["after repair"] if repaired else []
    headings: list[Html | str] = [number_heading("remains")]
    headings += ["model"] if several else []
    cells = [_cells(row, several, repaired) for row in rows]
    return table(
        "Predicted and measured rise of the loss",
        [*headings, *map(number_heading, names)],
        cells,
    )


def _cells(row: Measurement, several: bool, repaired: bool) -> list[Html | str]:
    budget = words.percent(row.budget) if row.budget <= 1 else words.amount(row.budget)
    numbers = [row.predicted, row.measured, row.error]
    numbers += [row.repaired] if repaired else []
    return [
        element("th", budget, scope="row", class_="n"),
        *([row.series] if several else []),
        *(number_cell(words.number(value)) for value in numbers),
    ]
