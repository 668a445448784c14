"""The page: one HTML file that needs no network, no server and no other file."""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ccsolve.io.atomic import replacing
from ccsolve.report import words
from ccsolve.report.markup import Html, element, embedded
from ccsolve.report.sections.duplicates import duplicates, mapped
from ccsolve.report.sections.front import bar, front, start
from ccsolve.report.sections.making import making
from ccsolve.report.sections.measured import measured, series
from ccsolve.report.sections.opening import opening
from ccsolve.report.sections.plans import plans
from ccsolve.report.sections.ranks import layers, ranks, written
from ccsolve.report.sections.widths import widths
from ccsolve.report.subject import Subject

_SCRIPTS = ("base.js", "tip.js", "front.js", "scatter.js", "map.js", "start.js")
_STYLES = ("page.css", "charts.css")


def html_of(subject: Subject) -> str:
    """Give the page as HTML. The same subject gives the same text."""
    script = _assets(_SCRIPTS)
    explored = element(
        "div", bar(subject), front(subject), widths(subject), ranks(subject),
        class_="explore",
    )  # fmt: skip
    body = element(
        "body",
        element("a", "To the content", href="#main", class_="skip"),
        element(
            "main",
            opening(subject),
            plans(subject),
            explored,
            duplicates(subject),
            measured(subject),
            making(subject),
            id="main",
        ),
        embedded("data", data(subject)),
        Html(f"<script>{script}</script>"),
    )
    page = element("html", _head(subject.heading, script), body, lang="en")
    return f"<!doctype html>\n{page.source}\n"


def save(subject: Subject, path: str | Path) -> Path:
    """Write the page: to a temporary file first, then renamed; give its path."""
    text = html_of(subject)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def data(subject: Subject) -> dict[str, Any]:
    """Give what the page's scripts draw from."""
    return {
        "plans": list(subject.plans),
        "front": _front(subject),
        "measured": _measured(subject),
        "map": {
            name: {"n": len(subject.likeness[name].matrix), "r": values}
            for name, values in mapped(subject).items()
        },
        "kept": {name: _kept(subject, name) for name in mapped(subject)},
    }


def _front(subject: Subject) -> Mapping[str, Any] | None:
    curve = subject.curve
    if curve is None:
        return None
    groups, factored = list(subject.sizes), layers(subject)
    return {
        "name": words.resource(curve.over),
        "over": curve.over,
        "dense": curve.dense,
        "start": start(subject),
        "loose": curve.loose,
        "groups": groups,
        "sizes": list(subject.sizes.values()),
        "layers": factored,
        "places": [
            {"plan": list(subject.plans).index(name), **place._asdict()}
            for name, place in curve.places.items()
        ],
        "points": [
            {
                "limit": point.limit,
                "cost": point.cost,
                "loss": point.loss,
                "bound": point.bound,
                "gap": curve.gap(point),
                "price": point.price,
                "widths": [
                    point.widths.get(name, size) for name, size in subject.sizes.items()
                ],
                "ranks": [written(point.factors.get(name)) for name in factored],
            }
            for point in curve.points
        ],
    }


def _measured(subject: Subject) -> list[dict[str, Any]]:
    names = series(subject.measured)
    return [
        {**row._asdict(), "at": names.index(row.series)} for row in subject.measured
    ]


def _kept(subject: Subject, group: str) -> list[int]:
    """Give the channels that the first plan keeps."""
    return next(iter(subject.plans.values())).keep[group].tolist()


def _head(title: str, script: str) -> Html:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} – ccsolve"),
        Html(f"<style>{_assets(_STYLES)}</style>"),
    )


def _policy(script: str) -> str:
    """Give a policy that fetches nothing and runs this one script and no other."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _assets(names: tuple[str, ...]) -> str:
    folder = resources.files("ccsolve.report") / "assets"
    return "\n".join((folder / name).read_text("utf-8").strip() for name in names)
