"""Channels that do the same: pairs by correlation, and what plans do with them."""

from collections.abc import Mapping

import numpy as np

from ccsolve.plans import Plan
from ccsolve.report.likeness import ACTIVATIONS, LARGEST, Pair, strongest
from ccsolve.report.markup import Html, element, table
from ccsolve.report.sections.plans import plan_name
from ccsolve.report.sections.shell import dotted, number_cell, number_heading, section
from ccsolve.report.subject import Subject

LEAST = 0.6
"""Correlation below which channels are not called alike."""
_OF_A_GROUP = 3
_SHOWN = 24

_BY_ACTIVATIONS = (
    "Correlation r of two channels' activations over the samples. Near 1 or −1 one of "
    "the two, scaled, can stand for both."
)
_BY_CURVATURE = (
    "Correlation r of two channels' effects on the loss, from its curvature. Near 1 "
    "they do the same: one, scaled up, can stand for both. Near −1 they cancel, and "
    "are best removed together."
)


def duplicates(subject: Subject) -> Html | None:
    """Give the section of pairs; None without statistics that tell them."""
    if not subject.likeness:
        return None
    found = pairs(subject)
    sources = {each.source for each in subject.likeness.values()}
    prose = _BY_ACTIVATIONS if ACTIVATIONS in sources else _BY_CURVATURE
    return section(
        "duplicates",
        "Channels that duplicate each other",
        [prose, _left_out(subject)],
        _table(subject, found) if found else _none(),
        _map(subject),
    )


def pairs(subject: Subject) -> list[Pair]:
    """Give the strongest pairs of all groups, up to some of each."""
    found = [
        pair
        for name, each in subject.likeness.items()
        for pair in strongest(name, each.matrix, _OF_A_GROUP, LEAST)
    ]
    return sorted(found, key=lambda pair: -abs(pair.correlation))[:_SHOWN]


def _none() -> Html:
    return element("p", f"No two channels of a group correlate by {LEAST} or more.")


def _left_out(subject: Subject) -> str | None:
    large = sum(size > LARGEST for size in subject.sizes.values())
    return f"{large} groups of over {LARGEST} channels are left out." if large else None


def _table(subject: Subject, found: list[Pair]) -> Html:
    headings: list[Html | str] = [
        "group",
        "channels",
        element("th", "r", scope="col", class_="bars"),
        number_heading(""),
        *(plan_name(subject, name) for name in subject.plans),
    ]
    rows = [
        [
            dotted(pair.group),
            f"{pair.first}, {pair.second}",
            element("td", _bar(pair.correlation), class_="bars"),
            number_cell(f"{pair.correlation:+.2f}".replace("-", "−")),
            *(
                element("td", _fate(plan, pair), class_="fate")
                for plan in subject.plans.values()
            ),
        ]
        for pair in found
    ]
    return table("The most alike, up to three pairs of a group", headings, rows)


def _bar(correlation: float) -> Html:
    left = 50 + 50 * min(correlation, 0.0)
    style = f"left:{left:.1f}%;width:{50 * abs(correlation):.1f}%"
    sign = "plus" if correlation > 0 else "minus"
    fill = element("i", class_=f"fill {sign}", style=style)
    return element("div", fill, class_="track signed", aria_hidden="true")


def _fate(plan: Plan, pair: Pair) -> str:
    """Say what a plan does with a pair."""
    mask = plan.mask(pair.group)
    kept = [channel for channel in (pair.first, pair.second) if mask[channel]]
    if len(kept) == 1:
        return f"keeps {kept[0]}"
    return "keeps both" if kept else "removes both"


def _map(subject: Subject) -> Html | None:
    """Give the place of the map of one group's correlations, which a script draws."""
    names = list(mapped(subject))
    if not names:
        return None
    alike = [pair.group for pair in pairs(subject) if pair.group in names]
    options = [
        element("option", name, value=str(at), selected=[name] == alike[:1])
        for at, name in enumerate(names)
    ]
    chooser = element(
        "p",
        element("label", "All pairs of ", for_="map-group"),
        element("select", *options, id="map-group"),
    )
    return element(
        "div",
        chooser,
        element("canvas", id="map", role="img", width="8", height="8"),
        element("p", id="map-text", class_="quiet"),
        class_="map js",
    )


MAPPED = 400_000
"""Correlations that a page holds, over all groups."""


def mapped(subject: Subject) -> Mapping[str, list[int]]:
    """Give the upper triangles of the groups' correlations, in per cent, by group.

    Groups in the network's order, as many as there is room for.
    """
    found: dict[str, list[int]] = {}
    room = MAPPED
    for name, each in subject.likeness.items():
        n = len(each.matrix)
        if n > 1 and n * (n - 1) // 2 <= room:
            room -= n * (n - 1) // 2
            upper = each.matrix[np.triu_indices(n, 1)]
            found[name] = np.rint(100 * upper).astype(int).tolist()
    return found
