"""Plan: what it holds, its file, and every refusal."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsolve import Factor, Plan
from ccsolve.errors import InvalidFile, InvalidProblem


def plan(**parts: Any) -> Plan:
    given: dict[str, Any] = {
        "recipe": "ccp",
        "keep": {"a": [0, 2], "b": np.array([1]), "c": []},
        "sizes": {"a": 4, "b": 2, "c": 3},
        "factors": {
            "conv": Factor("tt", (2, 0.5), modes=(2, 9, 4)),
            "fc": {"format": "svd", "ranks": [3]},
        },
        "given": {"macs": 0.5},
        "asked": {"macs": 50.0},
        "achieved": {"macs": 49, "params": 7},
        "original": {"macs": 100, "params": 20},
        "objective": 1.25,
        "bound": 1.0,
        "prices": {"macs": 0.01},
        "resolution": 1e-12,
        "fingerprint": "net",
        "provenance": {"seed": 0, "methods": ("tabu",), "nothing": math.nan},
    }
    return Plan(**(given | parts))


def test_what_is_derived():
    made = plan()
    assert made.gap == pytest.approx(0.2)
    assert made.widths == {"a": 2, "b": 1, "c": 0}
    assert made.mask("a").tolist() == [True, False, True, False]
    assert made.factors["fc"] == Factor("svd", 3)
    assert plan(bound=-math.inf).gap == math.inf
    assert plan(bound=1.25).gap == 0
    assert plan(objective=math.nan, bound=-math.inf).gap == math.inf


def test_round_trip(tmp_path: Path):
    made = plan()
    made.save(tmp_path / "plan.json")
    back = Plan.load(tmp_path / "plan.json")
    for name, kept in made.keep.items():
        np.testing.assert_array_equal(back.keep[name], kept)
        assert back.keep[name].dtype == np.int64
    for name in set(Plan.__dataclass_fields__) - {"keep"}:
        assert getattr(back, name) == getattr(made, name)
    assert back.provenance == {"seed": 0, "methods": ["tabu"], "nothing": None}


def test_no_objective_and_no_bound_are_null_in_the_file(tmp_path: Path):
    plan(objective=math.nan, bound=-math.inf).save(tmp_path / "plan.json")
    text = json.loads((tmp_path / "plan.json").read_text())
    assert text["objective"] is None and text["bound"] is None
    back = Plan.load(tmp_path / "plan.json")
    assert math.isnan(back.objective) and back.bound == -math.inf


@pytest.mark.parametrize(("schema", "lacks"), [(1, 2), (2, 1)])
def test_files_of_earlier_schemas_are_read(tmp_path: Path, schema: int, lacks: int):
    path = tmp_path / "plan.json"
    plan().save(path)
    old = json.loads(path.read_text()) | {"schema": schema}
    for name in ("primary", "factors")[:lacks]:
        path.write_text(json.dumps(old))
        with pytest.raises(InvalidFile, match=rf"unknown \[.*'{name}'"):
            Plan.load(path)
        del old[name]
    path.write_text(json.dumps(old))
    assert Plan.load(path).primary == {}
    assert Plan.load(path).factors == ({} if lacks == 2 else plan().factors)
    assert Plan.load(path).widths == plan().widths


@pytest.mark.parametrize("count", [0, -1, 2.5, True, "3"])
def test_numbers_of_primary_filters_are_checked(count: Any):
    with pytest.raises(InvalidProblem, match=r"primary\['conv'\] = .*integer >= 1"):
        plan(primary={"conv": count})


def test_a_layer_is_a_chain_or_makes_filters_of_others():
    with pytest.raises(InvalidProblem, match="both name 'conv'"):
        plan(primary={"conv": 2}, factors={"conv": {"format": "svd", "ranks": 2}})


def test_plans_are_read_only():
    made = plan()
    with pytest.raises(ValueError, match="read-only"):
        made.keep["a"][0] = 1
    with pytest.raises(TypeError):
        made.factors["d"] = 1  # pyright: ignore[reportIndexIssue]
    with pytest.raises(TypeError):
        made.keep["d"] = 1  # pyright: ignore[reportIndexIssue]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"keep": {"a": [0]}}, "expected one entry of each"),
    ({"keep": [1]}, "keep is a list; expected a mapping"),
    ({"keep": {"a": [2, 0], "b": [1], "c": []}}, r"keep\['a'\] is not sorted"),
    ({"keep": {"a": [0, 0], "b": [1], "c": []}}, "repeats"),
    ({"keep": {"a": [0, 4], "b": [1], "c": []}}, "leaves 0 to 3"),
    ({"keep": {"a": [-1], "b": [1], "c": []}}, "leaves 0 to 3"),
    ({"keep": {"a": [0.5], "b": [1], "c": []}}, "expected a list of classes"),
    ({"keep": {"a": [True], "b": [1], "c": []}}, "expected a list of classes"),
    ({"keep": {"a": [[0]], "b": [1], "c": []}}, "expected a list of classes"),
    ({"keep": {"a": [[0], 1], "b": [1], "c": []}}, "ragged"),
    ({"keep": {"a": "x", "b": [1], "c": []}}, "expected a list of classes"),
    ({"sizes": {"a": 0, "b": 2, "c": 3}}, "expected an integer >= 1"),
    ({"sizes": {"a": True, "b": 2, "c": 3}}, "expected an integer >= 1"),
    ({"factors": [1]}, "factors is a list; expected a mapping"),
    ({"factors": {"fc": 3}}, r"factors\['fc'\] is 3; expected a Factor"),
    ({"factors": {"fc": {"format": "svd"}}}, "expected a Factor"),
    ({"factors": {"fc": {"format": "cp", "ranks": [1]}}}, "format 'cp'"),
    (
        {"factors": {"fc": {"format": "svd", "ranks": 1, "rank": 1}}},
        "expected a Factor",
    ),
    ({"achieved": {"macs": 51}}, "above what was asked"),
    ({"achieved": {}}, "above what was asked"),
    ({"asked": {"macs": "x"}}, r"asked\['macs'\]"),
    ({"asked": {"macs": -1.0}}, "finite number >= 0"),
    ({"prices": {"macs": -0.1}}, r"prices\['macs'\]"),
    ({"bound": 2.0}, "bound 2 is above"),
    ({"objective": "x"}, "objective = 'x'"),
    ({"resolution": -1.0}, "resolution = -1"),
    ({"recipe": 3}, "recipe = 3"),
    ({"fingerprint": 3}, "fingerprint = 3"),
    ({"provenance": []}, "provenance is a list"),
]


@pytest.mark.parametrize(("parts", "message"), BAD)
def test_bad_plans_are_refused(parts: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        plan(**parts)


@pytest.mark.parametrize(("parts", "message"), BAD)
def test_bad_plans_in_files_are_refused(
    tmp_path: Path, parts: dict[str, Any], message: str
):
    path = tmp_path / "plan.json"
    plan().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))
    with pytest.raises(InvalidFile, match=message) as caught:
        Plan.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_json_is_refused():
    with pytest.raises(InvalidProblem, match="no JSON data"):
        plan(provenance={"a": object()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 4}, "schema 4"),
        ({"schema": True}, "schema True"),
        ({"schema": []}, r"schema \[\]"),
        ({"kind": "statistics"}, "kind 'statistics'"),
        ({"more": 1}, r"unknown \['more'\]"),
    ],
)
def test_other_schemas_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
):
    path = tmp_path / "plan.json"
    plan().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InvalidFile, match=message):
        Plan.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": NaN}', '{"a": 1e999}', "{}"])
def test_other_files_are_refused(tmp_path: Path, text: str):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(InvalidFile, match=r"plan\.json"):
        Plan.load(path)
    with pytest.raises(InvalidFile, match="not readable"):
        Plan.load(tmp_path / "absent.json")


def test_damage_is_refused_or_harmless(tmp_path: Path):
    path, rng = tmp_path / "plan.json", np.random.default_rng(0)
    plan().save(path)
    whole = path.read_bytes()
    for trial in range(400):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole))] if trial % 4 else damaged)
        try:
            assert isinstance(Plan.load(path), Plan)
        except InvalidFile as error:
            assert str(path) in str(error)
