"""`ccsolve validation`: the tables, the document, and files that are none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from ccsolve import LossModel, Validation, validate
from ccsolve.statistics.generate import random_chain

Call = Callable[..., Result]
MODELS = (LossModel(first_order=0.0), LossModel(cross=True, first_order=0.0))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("found") / "found.json"
    found = validate(
        random_chain((4, 4)),
        lambda plans: [[plan.objective, 2 * plan.objective] for plan in plans],
        macs=0.5,
        models=MODELS,
        points=1,
        time_limit=0.1,
        repaired=lambda plans: [0.5 * plan.objective for plan in plans],
    )
    found.save(path)
    return path


def test_both_tables_are_shown(call: Call, file: Path):
    shown = call("validation", file).stdout
    for word in ("rank", "behind", "removed", "predicted", "repaired", "ggn, whole"):
        assert word in shown
    assert "chosen by loss" in shown and "±" in shown


def test_the_document_is_the_file(document: Callable[..., dict[str, Any]], file: Path):
    assert document("validation", file) == Validation.load(file).data()


def test_other_files_are_refused(refused: Callable[..., str], tmp_path: Path):
    (tmp_path / "no.json").write_text('{"kind": "plan"}')
    assert "expected kind 'validation'" in refused("validation", tmp_path / "no.json")
    assert "not readable" in refused("validation", tmp_path / "none.json")
