"""Elements of HTML: texts are escaped unless they are elements themselves."""

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ccsolve.io.strict_json import plain

_VOID = frozenset({"input", "meta", "wbr"})


class Html(NamedTuple):
    """Source that is safe as it stands; everything else is text."""

    source: str


Child = str | Html | None


def element(name: str, /, *children: Child, **attributes: Any) -> Html:
    """Give an element; children that are None, and attributes None or False, are left.

    An attribute is written with dashes for underscores, and without the underscore at
    its end: ``class_``, ``aria_label``. True stands for an attribute without a value.
    """
    begun = f"<{name}{''.join(_attributes(attributes))}>"
    if name in _VOID:
        return Html(begun)
    return Html(f"{begun}{join(children).source}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Put children side by side; texts are escaped."""
    parts = (
        child.source if isinstance(child, Html) else html.escape(child)
        for child in children
        if child is not None
    )
    return Html("".join(parts))


def table(
    caption: str,
    headings: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    id: str | None = None,
    class_: str | None = None,
) -> Html:
    """Give a table that scrolls sideways where it is too wide, and names its rows.

    A heading or cell may be an element ``th`` or ``td``; the first of a row names it.
    """
    head = element("tr", *(_cell(cell, "th", scope="col") for cell in headings))
    body = [element("tr", *_row(cells)) for cells in rows]
    made = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", *body),
        id=id,
        class_=class_,
    )
    return element(
        "div", made, class_="scroll", tabindex="0", role="region", aria_label=caption
    )


def embedded(name: str, document: Any) -> Html:
    """Give data that a script finds by name; nothing in it can end the element."""
    text = json.dumps(plain(document), allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{name}">{text}</script>')


def _row(cells: Sequence[Child]) -> Iterable[Html]:
    first, *others = cells
    yield _cell(first, "th", scope="row")
    for cell in others:
        yield _cell(cell, "td")


def _cell(cell: Child, name: str, **attributes: Any) -> Html:
    if isinstance(cell, Html) and cell.source.startswith(("<td", "<th")):
        return cell
    return element(name, cell, **attributes)


def _attributes(attributes: dict[str, Any]) -> Iterable[str]:
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if value is True:
            yield f" {name}"
        elif value is not None and value is not False:
            yield f' {name}="{html.escape(str(value))}"'
