"""The benchmark of low-rank projections: its cases, contenders, rows and page."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.json_lines import append_rows, read_rows
from benchmarks.low_rank import drawing, report
from benchmarks.low_rank.cases import CASES, Case, loop
from benchmarks.low_rank.contenders import BY_KIND
from benchmarks.low_rank.goals import GOALS
from benchmarks.low_rank.measuring import timed
from benchmarks.low_rank.rows import Row

TINY = {
    "tt": Case("t", "tt", (((4, 9, 6), (3, 4)), ((5, 4), (2,))), 2, 3.0),
    "tucker": Case("u", "tucker", (((6, 9, 5), (3, 9, 2)),), 2),
    "svd": Case("s", "svd", (((8, 12), (3,)),), 2),
    "whitened": Case("w", "whitened", (((6, 10), (2,)),), 2),
}


def test_names_are_unique_and_goals_are_of_cases():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    for goal in GOALS:
        case = next(case for case in CASES if case.name == goal.case)
        assert {goal.ours, goal.peer} <= set(BY_KIND[case.kind])


@pytest.mark.parametrize("kind", TINY)
def test_contenders_agree_and_rows_make_a_page(kind: str, tmp_path: Path):
    names = [name for name in BY_KIND[kind] if name != "tntorch"]
    rows = list(timed(TINY[kind], None, names))
    path = tmp_path / "rows.jsonl"
    append_rows(path, rows)
    assert read_rows(path, Row) == rows
    ran = [row for row in rows if row.status == "ran"]
    assert {row.contender for row in ran} >= {n for n in names if "ccsolve" in n}
    errors = [row.error for row in ran if row.error is not None]
    assert max(errors) <= 1.3 * min(errors)
    assert report.page(rows).startswith("# Low-rank")


def test_figure_shows_each_contender_as_a_multiple_of_the_warm_step(tmp_path: Path):
    pytest.importorskip("matplotlib")
    case = CASES[0].name
    rows = [
        Row(case, name, "ran", 4, seconds=seconds, error=0.1)
        for name, seconds in (("ccsolve warm", 0.5), ("tensorly", 4.0))
    ]
    drawn = drawing.times([*rows, Row(case, "tntorch", "missing", 4)], tmp_path)
    text = drawn.read_text(encoding="utf-8")
    assert case in text
    assert "tensorly" in text
    assert "tntorch" not in text


def test_loops_give_the_same_tensors_again():
    first = [T[0] for _, T, _ in loop(TINY["tt"], None, lambda T: T)]
    again = [T[0] for _, T, _ in loop(TINY["tt"], None, lambda T: T)]
    assert len(first) == 3
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
