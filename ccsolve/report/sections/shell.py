"""What sections share: their frame, terms, notes and folds."""

from ccsolve.report.markup import Child, Html, element, join


def section(id: str, title: str, prose: list[Child], *body: Child) -> Html:
    """Give a section: what it shows, said beside it."""
    heading = element("h2", title, id=f"{id}-title")
    paragraphs = [element("p", text) for text in prose if text is not None]
    rail = element("div", heading, *paragraphs, class_="rail")
    content = element("div", *body, class_="body")
    return element("section", rail, content, id=id, aria_labelledby=f"{id}-title")


def term(word: str) -> Html:
    """Give a word that the text explains here."""
    return element("dfn", word)


def fold(summary: str, *content: Child) -> Html:
    """Give what is folded away where scripts run, and open where they do not."""
    return element("details", element("summary", summary), *content, open=True)


def number_cell(text: str, *, class_: str = "", **attributes: str) -> Html:
    """Give a table cell that holds a number."""
    return element("td", text, class_=f"n {class_}".strip(), **attributes)


def number_heading(text: Child, *, class_: str = "", **attributes: str) -> Html:
    """Give the heading of a column of numbers."""
    classes = f"n {class_}".strip()
    return element("th", text, scope="col", class_=classes, **attributes)


def dotted(name: str) -> Html:
    """Give a layer's name, which may break after its dots."""
    first, *others = name.split(".")
    return join([first, *(part for each in others for part in _broken(each))])


def _broken(part: str) -> tuple[Child, ...]:
    return ".", element("wbr"), part


def plan_mark(place: int) -> Html:
    """Give the sign of a plan, by its place among the plans: a colour and a shape.

    `assets/base.js` gives the same; 18 of them differ.
    """
    classes = f"mark p{place % 6} s{(place + place // 6) % 3}"
    return element("i", class_=classes, aria_hidden="true")
