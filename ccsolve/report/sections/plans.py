"""The plans: what remains, what it is predicted to cost, and what is proven."""

import math
from collections.abc import Iterator

from ccsolve.plans import Plan
from ccsolve.report import words
from ccsolve.report.likeness import second_order_loss
from ccsolve.report.markup import Html, element, join, table
from ccsolve.report.sections.opening import objective_name
from ccsolve.report.sections.shell import (
    number_cell,
    number_heading,
    plan_mark,
    section,
    term,
)
from ccsolve.report.subject import Subject

_BOUND = " is a value that no other choice can fall below; it is proven, not estimated."
_GAP = " is how far the plan can at most be above the best there is, of its own value."
_MEASURE = (
    "The second-order loss, ½uᵀHu of the channels u that go, group by group, is one "
    "measure for all plans, whatever each minimised."
)
_PRICE = " is what the predicted loss would fall by per unit of budget added."


def plans(subject: Subject) -> Html:
    """Give the section of the plans."""
    single = len(subject.plans) == 1
    return section(
        "plans",
        "The plan" if single else "The plans",
        [
            join(["The ", term("bound"), _BOUND]),
            join(["The ", term("gap"), _GAP]),
            join(["A ", term("price"), _PRICE]),
            _MEASURE if not single and subject.stats is not None else None,
        ],
        _figures(next(iter(subject.plans.values()))) if single else None,
        _resources(subject),
        None if single else _values(subject),
        _notes(subject),
    )


def _figures(plan: Plan) -> Html:
    items = [
        element(
            "div",
            element("dt", label),
            element("dd", figure),
            element("dd", note, class_="quiet"),
        )
        for label, figure, note in _figure_texts(plan)
    ]
    return element("dl", *items, class_="figures")


def _figure_texts(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for name, dense in list(plan.original.items())[:2]:
        left = plan.achieved.get(name)
        if left is not None and dense:
            said = f"{words.amount(left, name)} of {words.amount(dense, name)}"
            yield f"{words.resource(name)} remain", words.percent(left / dense), said
    if not math.isnan(plan.objective):
        yield objective_name(plan), words.number(plan.objective), _at_least(plan)
        yield "gap", words.gap(plan.gap), "above the best possible, at most"


def _at_least(plan: Plan) -> str:
    if not math.isfinite(plan.bound):
        return "without a bound"
    return f"proven: at least {words.number(plan.bound)}"


def _resources(subject: Subject) -> Html:
    """Give what every plan takes of every resource."""
    headings = [
        "resource",
        number_heading("dense"),
        *(
            number_heading(heading)
            for name in subject.plans
            for heading in _plan_headings(subject, name)
        ),
    ]
    rows = [
        [
            words.resource(resource),
            number_cell(words.amount(dense, resource)),
            *(
                cell
                for plan in subject.plans.values()
                for cell in _resource_cells(subject, plan, resource, dense)
            ),
        ]
        for resource, dense in subject.original.items()
    ]
    return table("What remains", headings, rows)


def _plan_headings(subject: Subject, name: str) -> list[Html | str]:
    if len(subject.plans) == 1:
        return ["asked at most", "achieved", "remains"]
    return [plan_name(subject, name)]


def _resource_cells(
    subject: Subject, plan: Plan, resource: str, dense: float
) -> Iterator[Html]:
    left = plan.achieved.get(resource)
    share = left / dense if left is not None and dense else None
    if len(subject.plans) == 1:
        yield number_cell(words.amount(plan.asked.get(resource), resource))
        yield number_cell(words.amount(left, resource))
    yield number_cell(words.percent(share))


def plan_name(subject: Subject, name: str) -> Html:
    """Give a plan's name with its sign."""
    mark = plan_mark(list(subject.plans).index(name))
    return element("span", mark, name, class_="whose")


def _values(subject: Subject) -> Html:
    headings = [
        "plan",
        "recipe",
        "minimised",
        *map(number_heading, ("value", "bound", "gap")),
        *([] if subject.stats is None else [number_heading("second-order loss")]),
        number_heading("channels"),
    ]
    rows = [
        [
            plan_name(subject, name),
            plan.recipe,
            "–" if math.isnan(plan.objective) else objective_name(plan),
            number_cell(words.number(plan.objective)),
            number_cell(words.number(plan.bound)),
            number_cell(_gap(plan)),
            *_measure(subject, plan),
            number_cell(str(sum(plan.widths.values()))),
        ]
        for name, plan in subject.plans.items()
    ]
    return table("What is predicted, and what is proven", headings, rows)


def _measure(subject: Subject, plan: Plan) -> Iterator[Html]:
    if subject.stats is not None:
        yield number_cell(words.number(second_order_loss(subject.stats, plan)))


def _gap(plan: Plan) -> str:
    return words.DASH if math.isnan(plan.objective) else words.gap(plan.gap)


def _notes(subject: Subject) -> Html | None:
    found = [*_bound_notes(subject)]
    for name, plan in subject.plans.items():
        found += [_note(subject, [name], text) for text in _prices(plan)]
    return element("ul", *found, class_="notes") if found else None


def _bound_notes(subject: Subject) -> Iterator[Html]:
    """Say what the bounds are over, once where it is the same for several plans."""
    whose: dict[str, list[str]] = {}
    for name, plan in subject.plans.items():
        if math.isfinite(plan.bound) and "bound" in plan.provenance:
            whose.setdefault(str(plan.provenance["bound"]), []).append(name)
    for text, names in whose.items():
        yield _note(subject, names, f"The bound is {text}.")


def _note(subject: Subject, names: list[str], text: str) -> Html:
    """Give a note, with the plans that it is about unless that is every plan."""
    if len(names) == len(subject.plans):
        return element("li", text)
    first, *others = [plan_name(subject, name) for name in names]
    marked = [part for other in others for part in (", ", other)]
    return element("li", first, *marked, ": ", text)


def _prices(plan: Plan) -> Iterator[str]:
    unit = str(plan.provenance.get("price", ""))
    for resource, price in plan.prices.items():
        dense = plan.original.get(resource, 0.0)
        if dense and not unit:
            yield words.price(price, dense, resource, _priced_loss(plan))
        elif dense:
            said = f"of {unit} per unit of {words.resource(resource)}."
            yield f"Price: {words.number(price)} {said}"


def _priced_loss(plan: Plan) -> float:
    """Give the loss that prices are of: that of the widths, where they came first."""
    allocation = plan.provenance.get("allocation")
    loss = allocation.get("loss") if isinstance(allocation, dict) else None
    return float(loss) if isinstance(loss, int | float) else plan.objective
