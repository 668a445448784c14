"""Files are told apart by what they hold; wrong ones are refused in a line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidFile
from ccsolve.plans import Plan
from ccsolve.report.measurements import Measurement
from ccsolve.report.sources import read_sources
from ccsolve.statistics import Statistics
from ccsolve.validation import LossModel, PathPoint, Validation

ROW = {"budget": 0.5, "predicted": 0.1, "measured": 0.2}


def written(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document))
    return str(path)


def test_every_kind_is_known(tmp_path: Path, plan: Plan, stats: Statistics):
    plan.save(tmp_path / "a.json")
    stats.save(tmp_path / "net.safetensors")
    point = {"limit": 1, "cost": 1, "loss": 0.5, "bound": 0.4, "price": 0, "widths": {}}
    front = {"over": "macs", "recipe": "ccp", "dense": 2, "points": [point]}
    rows = written(
        tmp_path / "rows.json", {"rows": [{**ROW, "error": 0.01, "more": 1}]}
    )
    names = [str(tmp_path / "a.json"), str(tmp_path / "net.safetensors"), rows]
    found = read_sources([*names, written(tmp_path / "front.json", front)])
    assert found.plans["a"].widths == plan.widths
    assert found.stats is not None and found.stats.fingerprint == stats.fingerprint
    assert found.curve is not None and found.curve.points[0].bound == 0.4
    assert found.measured == (Measurement(0.5, 0.1, 0.2, 0.01),)


def test_a_list_counts_as_rows(tmp_path: Path):
    found = read_sources([written(tmp_path / "rows.json", [ROW, ROW])])
    assert found.measured == (Measurement(0.5, 0.1, 0.2),) * 2


def test_a_validation_gives_every_model_its_series(tmp_path: Path):
    models = (LossModel(), LossModel(first_order=0.0))
    points = tuple(
        PathPoint(at, part, 10 * part, 1 - part, None, 2 - 2 * part, None, None, {})
        for at in range(2)
        for part in (1.0, 0.5)
    )
    predicted, behind = np.zeros((2, 4)), ((0.0, None), (0.1, 0.2))
    made = Validation("macs", 10.0, models, points, predicted, behind, "loss", 0)
    made.save(tmp_path / "validation.json")
    rows = read_sources([str(tmp_path / "validation.json")]).measured
    assert [row[:3] for row in rows] == [(0.5, 0.5, 1.0)] * 2
    first, second = map(str, models)
    assert [row.series for row in rows] == [f"{first} (chosen)", second]


def test_shipped_statistics_are_known_by_name():
    found = read_sources([], "digits_resnet").stats
    assert found is not None and len(found.groups) == 6


def test_plans_of_one_name_in_two_folders_stay_apart(tmp_path: Path, plan: Plan):
    paths = [tmp_path / folder / "plan.json" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        plan.save(path)
    assert list(read_sources(map(str, paths)).plans) == ["plan", str(paths[1])]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "expected a plan"),
        ({"kind": "solution"}, "kind 'solution'"),
        ({"kind": "plan"}, "schema"),
        ({"kind": "validation"}, "schema"),
        ({"rows": []}, "no rows"),
        ({"rows": "many"}, "no rows"),
        ({"rows": [3]}, r"rows\[0\]: a int"),
        ({"rows": [ROW, {**ROW, "measured": "much"}]}, r"rows\[1\]: measured"),
        ({"rows": [{**ROW, "budget": True}]}, r"rows\[0\]: budget"),
        ({"rows": [{**ROW, "error": []}]}, r"rows\[0\]: error"),
        ([], "no rows"),
        (3, "expected an object"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, document: Any, said: str):
    with pytest.raises(InvalidFile, match=said):
        read_sources([written(tmp_path / "x.json", document)])


def test_files_that_cannot_be_read_are_refused(tmp_path: Path):
    (tmp_path / "cut.json").write_text('{"rows": [')
    for name in ("cut.json", "none.json", "none.safetensors"):
        with pytest.raises(InvalidFile, match=name):
            read_sources([str(tmp_path / name)])


def test_two_of_a_kind_are_refused(tmp_path: Path, stats: Statistics):
    stats.save(tmp_path / "net.safetensors")
    with pytest.raises(InvalidFile, match="2 statistics"):
        read_sources([str(tmp_path / "net.safetensors")], "digits_resnet")
    rows = [written(tmp_path / name, [ROW]) for name in ("a.json", "b.json")]
    with pytest.raises(InvalidFile, match="2 files of measurements"):
        read_sources(rows)
