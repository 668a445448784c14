"""The page as text: one file, all tables in it, nothing to fetch, one script."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ccsolve
from ccsolve import data
from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve.plans import Plan
from ccsolve.report import page
from ccsolve.report.curve import read_curve, traced
from ccsolve.report.markup import element, embedded
from ccsolve.report.measurements import Measurement
from ccsolve.report.subject import Subject
from ccsolve.statistics import Statistics

Network = Callable[..., Statistics]

HOSTILE = '</script><img src=x onerror="alert(1)">&\u2028'
VOID = ("meta", "input", "wbr")


class Outline(HTMLParser):
    """What stands in a page: elements, attributes, and whether all is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def whole(stats: Statistics, **plans: Plan) -> Subject:
    rows = (Measurement(0.5, 0.1, 0.2, 0.01, 0.1, "a"), Measurement(0.3, 1, 3, None))
    return Subject(plans, stats, traced(stats, plans, "macs", points=5), rows)


def held(text: str) -> dict:
    """Give the data that the page's scripts read."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    return json.loads(found.group(1))


def test_the_page_is_one_file_of_well_formed_elements(stats: Statistics, plan: Plan):
    other = ccsolve.plan(stats, macs=0.3, recipe="uniform")
    text = page.html_of(whole(stats, plan=plan, other=other))
    outline = Outline(text)
    assert not {tag for tag, _ in outline.seen} & {"link", "img", "iframe", "object"}
    assert not any({"src", "action"} & set(attrs) for _, attrs in outline.seen)
    links = [attrs["href"] for tag, attrs in outline.seen if tag == "a"]
    assert links == ["#main"] and "http://" not in text.replace("http://www.w3.org", "")
    ids = [attrs["id"] for _, attrs in outline.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = {
        attrs.get(key)
        for _, attrs in outline.seen
        for key in ("for", "aria-labelledby")
        if attrs.get(key)
    }
    assert named <= set(ids)


def test_its_policy_runs_its_own_script_alone(stats: Statistics, plan: Plan):
    text = page.html_of(Subject({"plan": plan}, stats))
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1 and f"&#x27;sha256-{digest}&#x27;" in text
    assert "default-src &#x27;none&#x27;" in text


def test_tables_hold_the_widths_the_front_and_what_was_measured(
    stats: Statistics, plan: Plan
):
    subject = whole(stats, plan=plan)
    text = page.html_of(subject)
    assert subject.curve is not None
    for point in subject.curve.points:
        assert f"{100 * point.cost / subject.curve.dense:.1f}\u202f%</th>" in text
    for name, width in plan.widths.items():
        assert f'data-width="{name}">{width}</td>' in text
    for caption in ("Channels kept by group", "The front, point by point", "measured"):
        assert caption in text
    assert "keeps" in text and "+1.00" in text


def test_the_data_are_those_of_the_curve(stats: Statistics, plan: Plan):
    subject = whole(stats, plan=plan)
    found, curve = held(page.html_of(subject)), subject.curve
    assert curve is not None
    shown = found["front"]["points"]
    assert [point["loss"] for point in shown] == [p.loss for p in curve.points]
    assert shown[found["front"]["start"]]["limit"] == plan.asked["macs"]
    widths = dict(zip(found["front"]["groups"], shown[0]["widths"], strict=True))
    assert widths == dict(curve.points[0].widths)
    assert [row["measured"] for row in found["measured"]] == [0.2, 3.0]
    assert len(found["map"]["first"]["r"]) == 15 and found["map"]["first"]["n"] == 6


def test_what_is_given_decides_what_is_shown(stats: Statistics, plan: Plan):
    bare = page.html_of(Subject({"plan": plan}))
    for part in ('id="front"', 'id="duplicates"', 'id="measured"', 'id="budget"'):
        assert part not in bare
    assert 'id="widths"' in bare and "Compression plan" in bare
    assert "<h1>a small one</h1>" in page.html_of(Subject({"plan": plan}, stats))
    titled = page.html_of(Subject({"plan": plan}, stats, title="mine"))
    assert "<h1>mine</h1>" in titled and "<title>mine – ccsolve</title>" in titled


def test_ranks_are_shown_where_layers_are_in_factors():
    stats = Statistics.load(data.path("digits_resnet"))
    plan = ccsolve.plan(stats, macs=0.5, recipe="svd")
    text = page.html_of(whole(stats, svd=plan))
    assert 'id="ranks"' in text and 'id="widths"' not in text
    name, factor = next(iter(plan.factors.items()))
    assert f'data-rank="{name}">{factor.ranks[0]}</td>' in text
    assert "layers are held in factors" in text


def test_hostile_names_stay_text():
    plan = Plan(
        recipe=HOSTILE,
        keep={HOSTILE: [0], "second": [1]},
        sizes={HOSTILE: 2, "second": 2},
        primary={HOSTILE: 1},
        achieved={HOSTILE: 1.0},
        original={HOSTILE: 2.0},
        provenance={HOSTILE: HOSTILE, "groups": {HOSTILE: {"method": HOSTILE}}},
    )
    point = {"limit": 1, "cost": 1, "loss": 1, "bound": 0, "price": 0, "factors": {}}
    points = [{**point, "widths": {HOSTILE: 1}}]
    front = {"over": HOSTILE, "recipe": HOSTILE, "dense": 2, "points": points}
    curve, rows = read_curve(front, "x"), (Measurement(1, 1, 1, series=HOSTILE),)
    text = page.html_of(Subject({HOSTILE: plan}, None, curve, rows, HOSTILE))
    outline = Outline(text)
    assert not any(tag == "img" for tag, _ in outline.seen)
    assert not any(name.startswith("on") for _, attrs in outline.seen for name in attrs)
    assert held(text)["front"]["groups"] == [HOSTILE, "second"]


def test_texts_and_attributes_are_escaped():
    made = element("p", HOSTILE, title='"><b>', hidden=True, class_="a", lang=None)
    assert "<img" not in made.source and "<b>" not in made.source
    assert made.source.startswith("<p title=") and " hidden" in made.source
    source = embedded("x", {"a": HOSTILE, "b": float("inf")}).source
    assert source.count("<") == 2 and "\u2028" not in source
    assert json.loads(source.partition(">")[2].rpartition("<")[0])["b"] is None


def test_the_same_subject_gives_the_same_page(
    stats: Statistics, plan: Plan, tmp_path: Path
):
    subject = Subject({"plan": plan}, stats)
    assert page.save(subject, tmp_path / "a.html") == tmp_path / "a.html"
    assert (tmp_path / "a.html").read_text("utf-8") == page.html_of(subject)
    with pytest.raises(InvalidFile, match="no folder"):
        page.save(subject, tmp_path / "none" / "a.html")


def test_plans_and_statistics_must_be_of_one_network(
    network: Network, stats: Statistics, plan: Plan
):
    others = network("first", "third")
    other = ccsolve.plan(others, macs=0.5)
    with pytest.raises(InvalidProblem, match="expected one network"):
        Subject({"plan": plan, "other": other})
    with pytest.raises(InvalidProblem, match="expected one network"):
        Subject({"plan": plan}, others)
    with pytest.raises(InvalidProblem, match="'third', of which plan 'plan' has none"):
        Subject({"plan": plan}, curve=traced(others, {}, "macs", points=3))
    with pytest.raises(InvalidProblem, match="no plan"):
        Subject({})
    elsewhere = Plan(recipe="x", keep=plan.keep, sizes=plan.sizes, fingerprint="xyz")
    with pytest.raises(InvalidProblem, match="fingerprint xyz, not abc"):
        Subject({"plan": elsewhere}, stats)


def test_plans_that_no_program_made_have_a_page(stats: Statistics):
    plan = Plan(
        recipe="mine",
        keep={"first": [0], "second": []},
        sizes={"first": 6, "second": 6},
    )
    text = page.html_of(Subject({"mine": plan}, stats))
    Outline(text)
    assert "1 of 12 channels remain." in text and "nan" not in text.lower()
