"""The report's page in a headless Chromium, as a reader sees and uses it."""

from pathlib import Path
from typing import Protocol

import pytest

import ccsolve
from ccsolve import data
from ccsolve.plans import Plan
from ccsolve.report import page
from ccsolve.report.curve import read_curve, traced
from ccsolve.report.measurements import Measurement
from ccsolve.report.subject import Subject
from ccsolve.statistics import Statistics

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">"

ROWS = tuple(
    Measurement(part, 0.01 / part, 0.02 / part**2, 0.001, None, f"model {at}")
    for at in range(2)
    for part in (0.9, 0.5, 0.2)
)


class Tab(Protocol):
    """What the tests ask of the browser, see `conftest.Tab`."""

    def open(self, path: Path, *, width: int = 1000, **look: object) -> None: ...
    def ask(self, expression: str) -> object: ...
    def call(self, method: str, **params: object) -> dict: ...
    def complaints(self) -> list: ...
    def requests(self) -> list[str]: ...


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Give two plans of the network on digits that ships, with all that a page has."""
    stats = Statistics.load(data.path("digits_resnet"))
    plans = {
        "half": ccsolve.plan(stats, macs=0.5, recipe="ccp"),
        "uniform": ccsolve.plan(stats, macs=0.3, recipe="uniform"),
    }
    return Subject(plans, stats, traced(stats, plans, "macs", points=20), ROWS)


@pytest.fixture(scope="module")
def path(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page.save(subject, tmp_path_factory.mktemp("page") / "page.html")


def widths(browser: Tab) -> dict[str, int]:
    """Give the widths that the page shows at the budget."""
    cells = "[...document.querySelectorAll('[data-width]')]"
    pairs = f"{cells}.map((cell) => [cell.dataset.width, Number(cell.textContent)])"
    found = browser.ask(f"Object.fromEntries({pairs})")
    assert isinstance(found, dict)
    return found


def move(browser: Tab, place: int) -> None:
    """Move the slider as a hand would."""
    browser.ask(
        "(() => { const bar = document.getElementById('budget');"
        f"bar.value = '{place}'; bar.dispatchEvent(new Event('input')); }})()"
    )


def text(browser: Tab, choice: str) -> str:
    """Give the text of an element as it is laid out."""
    found = browser.ask(f"document.querySelector({choice!r}).innerText")
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_is_logged_or_fetched_and_nothing_overflows(
    browser: Tab, path: Path, width: int, dark: bool
):
    browser.open(path, width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    assert browser.ask("document.documentElement.scrollWidth") == width


def test_charts_are_drawn(browser: Tab, path: Path, subject: Subject):
    browser.open(path)
    curve = subject.curve
    assert curve is not None
    count = "document.querySelectorAll('#front-chart {}').length"
    assert browser.ask(count.format("circle.dot")) == len(curve.points)
    assert browser.ask(count.format("path.plan")) == len(curve.places) == 2
    dots = "document.querySelectorAll('#measured-chart path.plan').length"
    assert browser.ask(dots) == len(ROWS)
    assert "NaN" not in str(browser.ask("document.querySelector('main').innerHTML"))


def test_the_slider_changes_widths_costs_and_gap(
    browser: Tab, path: Path, subject: Subject
):
    browser.open(path)
    curve = subject.curve
    assert curve is not None
    start = curve.at(subject.plans["half"].asked["macs"])
    assert widths(browser) == dict(curve.points[start].widths)
    readouts = []
    for place in (0, start, len(curve.points) - 1):
        move(browser, place)
        point = curve.points[place]
        assert widths(browser) == dict(point.widths)
        assert text(browser, "#total-width") == str(sum(point.widths.values()))
        share = f"{100 * point.cost / curve.dense:.1f}\u202f%"
        assert text(browser, "[data-show=cost]").startswith(share)
        spoken = browser.ask("document.getElementById('budget').ariaValueText")
        assert str(spoken).startswith(share)
        readouts.append(text(browser, ".readout") + text(browser, ".price"))
    assert len(set(readouts)) == 3
    fill = "document.querySelector('#widths-table .fill').style.width"
    assert browser.ask(fill) == "100%"


def test_scripts_write_numbers_as_the_tables_do(
    browser: Tab, path: Path, subject: Subject
):
    browser.open(path, scripts=False)
    browser.open(path)
    curve = subject.curve
    assert curve is not None
    browser.ask("document.querySelectorAll('details').forEach((d) => { d.open = 1; })")
    for place in range(len(curve.points)):
        move(browser, place)
        row = f"table.points tbody tr:nth-child({place + 1})"
        cells = [text(browser, f"{row} > :nth-child({at})") for at in range(1, 6)]
        shown = [
            text(browser, f"[data-show={key}]") for key in ("loss", "bound", "gap")
        ]
        assert cells[2:5] == shown
        assert text(browser, "[data-show=cost]").startswith(cells[0])


def test_keys_move_the_slider_and_buttons_jump_to_plans(
    browser: Tab, path: Path, subject: Subject
):
    browser.open(path)
    before = widths(browser)
    browser.ask("document.getElementById('budget').focus()")
    for kind in ("keyDown", "keyUp"):
        key = {"key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37}
        browser.call("Input.dispatchKeyEvent", type=kind, **key)
    assert widths(browser) != before
    browser.ask("document.querySelectorAll('.jumps button')[1].click()")
    curve = subject.curve
    assert curve is not None
    point = curve.points[curve.at(subject.plans["uniform"].asked["macs"])]
    assert widths(browser) == dict(point.widths)


def test_the_chart_is_clicked_and_explains_itself(browser: Tab, path: Path):
    browser.open(path)
    browser.ask("document.getElementById('front-chart').scrollIntoView()")
    area = browser.ask(
        "(() => { const box = document.querySelector('#front-chart svg')"
        ".getBoundingClientRect(); return [box.left, box.top, box.width]; })()"
    )
    assert isinstance(area, list)
    x, y = area[0] + 0.8 * area[2], area[1] + 200
    before = widths(browser)
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        pressed = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)
    assert sum(widths(browser).values()) > sum(before.values())
    assert "loss" in text(browser, ".tip.shown") and "gap" in text(browser, ".tip")


def test_a_row_of_widths_explains_itself(browser: Tab, path: Path, subject: Subject):
    browser.open(path)
    row = "document.querySelector('#widths-table tbody tr')"
    browser.ask(f"{row}.scrollIntoView({{block: 'center'}})")
    place = f"(() => {{ const b = {row}.getBoundingClientRect();"
    at = browser.ask(f"{place} return [b.left + 20, b.top + 5]; }})()")
    assert isinstance(at, list)
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
    said = text(browser, ".tip.shown")
    name, size = next(iter(subject.sizes.items()))
    assert name in said and f"dense: {size}" in said
    for plan, made in subject.plans.items():
        assert f"{plan}: {made.widths[name]}" in said


def test_axes_change_between_linear_and_log(browser: Tab, path: Path):
    browser.open(path)
    line = "document.querySelector('path.loss').getAttribute('d')"
    log = browser.ask(line)
    browser.ask("document.querySelector('input[value=linear]').click()")
    assert browser.ask(line) != log
    browser.ask("document.querySelector('input[value=log]').click()")
    assert browser.ask(line) == log


def test_tables_are_there_without_scripts(browser: Tab, path: Path, subject: Subject):
    browser.open(path, scripts=False)
    root = browser.call("DOM.getDocument")["root"]["nodeId"]

    def found(choice: str) -> list[int]:
        return browser.call("DOM.querySelectorAll", nodeId=root, selector=choice)[
            "nodeIds"
        ]

    curve = subject.curve
    assert curve is not None
    assert len(found("#widths-table tbody tr")) == len(subject.sizes) + 1
    assert len(found("details[open] .points tbody tr")) == len(curve.points)
    for choice in (".bar", ".chart", ".map"):
        (node, *_) = found(choice)
        # What only scripts fill is not laid out at all.
        with pytest.raises(AssertionError, match="box model"):
            browser.call("DOM.getBoxModel", nodeId=node)
    (row, *_) = found("#widths-table tbody tr")
    assert browser.call("DOM.getBoxModel", nodeId=row)["model"]["height"] > 10


def test_the_map_follows_its_group(browser: Tab, path: Path):
    browser.open(path)
    picture = "document.getElementById('map').toDataURL()"
    first = browser.ask(picture)
    browser.ask(
        "(() => { const list = document.getElementById('map-group');"
        "list.selectedIndex = (list.selectedIndex + 1) % list.options.length;"
        "list.dispatchEvent(new Event('change')); })()"
    )
    assert browser.ask(picture) != first
    assert "channels" in text(browser, "#map-text")


CONTRAST = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const light = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = 21;
  while (texts.nextNode()) {
    const owner = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !owner.checkVisibility()) continue;
    if (owner.closest("script, .tip")) continue;
    const style = getComputedStyle(owner);
    const ink = light(owner.ownerSVGElement ? style.fill : style.color);
    const [high, low] = [Math.max(ink, ground), Math.min(ink, ground)];
    least = Math.min(least, (high + 0.05) / (low + 0.05));
  }
  return least;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_contrast(browser: Tab, path: Path, dark: bool):
    browser.open(path, dark=dark)
    least = browser.ask(CONTRAST)
    assert isinstance(least, float) and least >= 4.5  # WCAG 2.2, level AA
    ground = "getComputedStyle(document.body).backgroundColor"
    shades = [int(part) for part in str(browser.ask(ground))[4:-1].split(",")]
    assert (max(shades) < 60) is dark


def test_everything_that_is_used_has_a_name(browser: Tab, path: Path):
    browser.open(path)
    browser.call("Accessibility.enable")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    used = ("slider", "button", "radio", "combobox", "image", "region", "table")
    seen = set()
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in used and not node["ignored"]:
            assert node["name"]["value"].strip(), node
            seen.add(role)
    assert {"slider", "button", "radio", "table"} <= seen


def test_a_hostile_name_does_nothing(browser: Tab, tmp_path: Path):
    plan = Plan(
        recipe=HOSTILE,
        keep={HOSTILE: [0], "other": [1]},
        sizes={HOSTILE: 2, "other": 2},
        provenance={HOSTILE: HOSTILE},
    )
    point = {"limit": 1, "cost": 1, "loss": 1, "bound": 0, "price": 0, "factors": {}}
    points = [{**point, "widths": {HOSTILE: 1}}, {**point, "cost": 2, "widths": {}}]
    front = {"over": HOSTILE, "recipe": "", "dense": 2, "points": points}
    subject = Subject(
        {HOSTILE: plan},
        None,
        read_curve(front, "front"),
        (Measurement(0.5, 1.0, 2.0, series=HOSTILE),),
        HOSTILE,
    )
    browser.open(page.save(subject, tmp_path / "hostile.html"))
    assert browser.complaints() == []
    assert browser.ask("document.images.length") == 0
    assert browser.ask("document.title") == f"{HOSTILE} – ccsolve"
    for place, width in ((0, 1), (1, 2)):
        move(browser, place)
        assert widths(browser)[HOSTILE] == width
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=400, y=400)
    assert browser.ask("document.images.length") == 0


def test_printing_opens_what_is_folded(browser: Tab, path: Path):
    browser.open(path)
    closed = "document.querySelectorAll('details:not([open])').length"
    folded = browser.ask(closed)
    browser.ask("dispatchEvent(new Event('beforeprint'))")
    assert folded and browser.ask(closed) == 0
    browser.ask("dispatchEvent(new Event('afterprint'))")
    assert browser.ask(closed) == folded


def test_a_page_of_a_plan_alone_works(browser: Tab, subject: Subject, tmp_path: Path):
    alone = Subject({"half": subject.plans["half"]})
    browser.open(page.save(alone, tmp_path / "alone.html"), width=360)
    assert browser.complaints() == []
    assert browser.ask("document.querySelectorAll('#widths-table tr').length") == 8
