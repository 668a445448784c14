"""`ccsolve methods` and `ccsolve verify`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

import ccsolve
from ccsolve.cli.inputs import read_solution

Call = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


def test_methods_lists_rows_and_what_auto_picks(
    call: Call, document: Document, small: Path
):
    everything = document("methods")
    assert everything["auto"] is None
    assert {"greedy", "milp"} <= {row["name"] for row in everything["methods"]}
    assert document("methods", small)["auto"] == "enumerate_all"
    assert "enumerate_all (auto)" in call("methods", small).stdout


def test_methods_leaves_out_what_is_too_large(document: Document, large: Path):
    names = {row["name"] for row in document("methods", large)["methods"]}
    assert "enumerate_all" not in names and "tabu" in names


def test_verify_accepts_what_solve_wrote(
    call: Call, document: Document, small: Path, tmp_path: Path
):
    out = tmp_path / "best.npz"
    call("solve", small, "-o", out)
    assert document("verify", small, out)["verified"] is True
    assert call("verify", small, out).stdout.startswith("verified: objective ")


@pytest.mark.parametrize("field", ["objective", "bound", "point"])
def test_verify_refutes(
    call: Call, document: Document, small: Path, tmp_path: Path, field: str
):
    out = tmp_path / "best.npz"
    call("solve", small, "-o", out)
    honest = read_solution(out)
    lies = {
        "objective": replace(honest, objective=honest.objective - 1),
        "bound": replace(honest, bound=honest.objective + 1),
        "point": replace(honest, x=np.ones(10, dtype=bool)),
    }
    ccsolve.write(out, lies[field])
    found = document("verify", small, out, code=1)
    assert found["verified"] is False and found["reason"]
    assert call("verify", small, out).stdout.startswith("refuted: ")
