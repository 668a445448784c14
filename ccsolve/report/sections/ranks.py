"""Layers that become chains, or filters made of filters: their ranks."""

from collections.abc import Iterator, Sequence

from ccsolve.factors import Factor
from ccsolve.plans import Plan
from ccsolve.report.markup import Html, table
from ccsolve.report.sections.front import start
from ccsolve.report.sections.plans import plan_name
from ccsolve.report.sections.shell import dotted, number_cell, number_heading, section
from ccsolve.report.subject import Subject
from ccsolve.report.words import DASH


def ranks(subject: Subject) -> Html | None:
    """Give the section of the ranks; None where every layer stays as it is."""
    names = layers(subject)
    if not names:
        return None
    return section(
        "ranks",
        "Layers in factors",
        [
            "A layer in factors is a chain of smaller ones; the ranks are the channels "
            "between them. A dash is a layer that stays as it is.",
        ],
        _table(subject, names),
    )


def layers(subject: Subject) -> list[str]:
    """Give the layers that some plan or point factors, in the network's order."""
    named = {
        name
        for plan in subject.plans.values()
        for name in (*plan.factors, *plan.primary)
    }
    if subject.curve is not None:
        named |= {name for point in subject.curve.points for name in point.factors}
    order = [] if subject.stats is None else list(subject.stats.layers)
    return [*filter(named.__contains__, order), *sorted(named - set(order))]


def written(factor: Factor | None) -> str:
    """Give a factor's ranks as a text."""
    if factor is None:
        return DASH
    return " × ".join(f"{rank:g}" for rank in factor.ranks)


def _table(subject: Subject, names: Sequence[str]) -> Html:
    headings: list[Html | str] = [
        "layer",
        number_heading("weight"),
        *(
            [number_heading("at the budget", class_="now")]
            if _followed(subject)
            else []
        ),
        *(number_heading(plan_name(subject, name)) for name in subject.plans),
    ]
    return table("Ranks by layer", headings, _rows(subject, names), id="ranks-table")


def _rows(subject: Subject, names: Sequence[str]) -> Iterator[Sequence[Html | str]]:
    for name in names:
        yield [
            dotted(name),
            number_cell(_shape(subject, name)),
            *([_now(subject, name)] if _followed(subject) else []),
            *(number_cell(_of(plan, name)) for plan in subject.plans.values()),
        ]


def _now(subject: Subject, name: str) -> Html:
    """Give the cell that follows the budget."""
    points = subject.curve.points if subject.curve else ()
    text = written(points[start(subject)].factors.get(name))
    return number_cell(text, class_="now", data_rank=name)


def _of(plan: Plan, name: str) -> str:
    if name in plan.primary:
        return f"{plan.primary[name]} primary filters"
    factor = plan.factors.get(name)
    return written(factor) + (f" ({factor.format})" if factor else "")


def _shape(subject: Subject, name: str) -> str:
    layer = None if subject.stats is None else subject.stats.layers.get(name)
    return DASH if layer is None else " × ".join(map(str, layer.weight.shape))


def _followed(subject: Subject) -> bool:
    curve = subject.curve
    return curve is not None and any(point.factors for point in curve.points)
