"""Widths before and after, group by group."""

from collections.abc import Iterator, Mapping, Sequence

from ccsolve.plans import Plan
from ccsolve.report.markup import Html, element, table
from ccsolve.report.sections.front import start
from ccsolve.report.sections.plans import plan_name
from ccsolve.report.sections.shell import dotted, number_cell, number_heading, section
from ccsolve.report.subject import Subject


def widths(subject: Subject) -> Html | None:
    """Give the section of the widths; None where no group loses a channel anywhere."""
    followed = _followed(subject)
    if not _narrowed(subject.plans) and followed is None:
        return None
    many = len(subject.plans) > 1
    return section(
        "widths",
        "Widths, before and after",
        [
            "Channels that each coupled group keeps, of those of the dense network.",
            "Bars follow the budget above; marks are the "
            f"{'plans' if many else 'plan'}."
            if followed
            else None,
        ],
        _table(subject, followed),
    )


def _narrowed(plans: Mapping[str, Plan]) -> bool:
    return any(plan.widths != dict(plan.sizes) for plan in plans.values())


def _followed(subject: Subject) -> Mapping[str, int] | None:
    """Give the widths of the point shown first, where the front is over widths."""
    if subject.curve is None:
        return None
    points = subject.curve.points
    first = points[start(subject)].widths
    same = all(point.widths == points[0].widths for point in points)
    return None if same and len(points) > 1 else first


def _table(subject: Subject, followed: Mapping[str, int] | None) -> Html:
    headings: list[Html | str] = [
        "group",
        element("th", "share kept", scope="col", class_="bars"),
        number_heading("dense"),
        *([] if followed is None else [number_heading("at the budget", class_="now")]),
        *(number_heading(plan_name(subject, name)) for name in subject.plans),
    ]
    rows = [*_rows(subject, followed), _total(subject, followed)]
    return table("Channels kept by group", headings, rows, id="widths-table")


def _rows(
    subject: Subject, followed: Mapping[str, int] | None
) -> Iterator[Sequence[Html | str]]:
    for name, size in subject.sizes.items():
        kept = [plan.widths[name] for plan in subject.plans.values()]
        shown = kept[0] if followed is None else followed.get(name, size)
        now = number_cell(str(shown), class_="now", data_width=name)
        yield [
            dotted(name),
            element("td", _bar(size, kept, shown), class_="bars"),
            number_cell(str(size)),
            *([] if followed is None else [now]),
            *(number_cell(str(width)) for width in kept),
        ]


def _bar(size: int, kept: Sequence[int], shown: int) -> Html:
    fill = element("i", class_="fill", style=f"width:{_percent(shown, size)}")
    ticks = [
        element("b", class_=f"tick p{at % 6}", style=f"left:{_percent(width, size)}")
        for at, width in enumerate(kept)
    ]
    return element("div", fill, *ticks, class_="track", aria_hidden="true")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%"


def _total(
    subject: Subject, followed: Mapping[str, int] | None
) -> Sequence[Html | str]:
    sizes, plans = subject.sizes, subject.plans.values()
    total = sum((followed or sizes).get(name, size) for name, size in sizes.items())
    now = number_cell(str(total), class_="now", id="total-width")
    return [
        "all groups",
        element("td", class_="bars"),
        number_cell(str(sum(sizes.values()))),
        *([] if followed is None else [now]),
        *(number_cell(str(sum(plan.widths.values()))) for plan in plans),
    ]
