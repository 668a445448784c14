"""The command line on low-rank fits: solve, write, verify."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import ccsolve
from ccsolve.problems.generate_low_rank import FAMILIES


@pytest.mark.parametrize("family", ["svd, budget", "tt, tolerance", "tr"])
def test_solve_shows_ranks_and_verify_accepts(
    call: Callable[..., Result],
    document: Callable[..., dict[str, Any]],
    tmp_path: Path,
    family: str,
):
    problem, out = tmp_path / "fit.npz", tmp_path / "best.npz"
    ccsolve.write(problem, FAMILIES[family](0))
    found = document("solve", problem, "-o", out)
    assert found["problem"] == "LowRankFit"
    assert len(found["ranks"]) == len(ccsolve.read(problem).full_ranks)
    assert document("verify", problem, out)["verified"] is True
    assert "ranks" in call("solve", problem).stdout
    assert document("methods", problem)["auto"] == "fit_and_bound"


def test_verify_refutes_other_factors(call: Callable[..., Result], tmp_path: Path):
    problem, out = tmp_path / "fit.npz", tmp_path / "best.npz"
    ccsolve.write(problem, FAMILIES["svd"](0))
    solution = ccsolve.solve(ccsolve.read(problem))
    ccsolve.write(out, replace(solution, x=[2 * factor for factor in solution.x]))
    result = call("verify", problem, out)
    assert result.exit_code == 1
    assert result.stdout.startswith("refuted: objective claimed")
