"""The head of a page: what network, which plans, and what came out."""

import math
from collections.abc import Iterator

from ccsolve.plans import Plan
from ccsolve.report import words
from ccsolve.report.markup import Html, element, join
from ccsolve.report.subject import Subject


def opening(subject: Subject) -> Html:
    """Give the page's head."""
    return element(
        "header",
        element("p", "ccsolve · compression report", class_="kicker"),
        element("h1", subject.heading),
        element("p", _lede(subject), class_="lede"),
        _facts(subject),
    )


def _lede(subject: Subject) -> str:
    if len(subject.plans) > 1:
        names = [
            name if name == plan.recipe else f"{name} ({plan.recipe})"
            for name, plan in subject.plans.items()
        ]
        return f"{len(names)} plans of one network, compared: {', '.join(names)}."
    (plan,) = subject.plans.values()
    return " ".join(_sentences(plan))


def _sentences(plan: Plan) -> Iterator[str]:
    kept, dense = sum(plan.widths.values()), sum(plan.sizes.values())
    parts = [
        f"{words.percent(plan.achieved[name] / plan.original[name])} of the "
        f"{words.resource(name)}"
        for name in plan.asked
        if plan.original.get(name)
    ]
    count = f"{kept:,} of {dense:,}" if kept < dense else f"All {dense:,}"
    remain = f" and {' and '.join(parts)}" if parts else ""
    yield f"{count.replace(',', words.THIN)} channels{remain} remain."
    if plan.factors:
        yield f"{len(plan.factors)} layers are held in factors."
    if not math.isnan(plan.objective):
        yield _objective(plan)


def _objective(plan: Plan) -> str:
    name = objective_name(plan)
    said = f"{name[:1].upper()}{name[1:]}: {words.number(plan.objective)}"
    if plan.gap == 0:
        return f"{said}; nothing lower is possible."
    if not math.isfinite(plan.gap):
        return f"{said}."
    return f"{said}, {words.gap(plan.gap)} above the best possible at most."


def objective_name(plan: Plan) -> str:
    """Give what a plan's objective measures, in the recipe's words."""
    return str(plan.provenance.get("objective", "predicted rise of the loss"))


def _facts(subject: Subject) -> Html:
    """Give what is known of the network and of how it was measured."""
    facts: dict[str, str] = {}
    if subject.stats is not None:
        meta = subject.stats.meta
        facts["Network"] = str(meta.get("network", ""))
        facts["Data"] = str(meta.get("data", ""))
        facts["Samples"] = f"{subject.stats.samples:,}".replace(",", words.THIN)
        facts["Loss"] = subject.stats.loss.replace("_", " ")
    first = next(iter(subject.plans.values()))
    facts["Fingerprint"] = first.fingerprint[:12]
    items = [
        element("div", element("dt", name), element("dd", text))
        for name, text in facts.items()
        if text
    ]
    return element("dl", join(items), class_="facts")
