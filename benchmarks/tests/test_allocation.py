"""The benchmark of allocations: instances by name, the scorer, rows, the page."""

from pathlib import Path

import numpy as np
import pytest

import ccsolve
from benchmarks.allocation import child, instances, report
from benchmarks.allocation.competitors.table import TABLE
from benchmarks.allocation.rows import Row
from benchmarks.allocation.scorer import score
from benchmarks.allocation.suites import SUITES
from benchmarks.json_lines import append_rows, read_rows

SMALL = ["net-4x9-B1-s0", "net-4x9-B3-s1", "strong-4x6-B1-s0", "smooth-5x1-B1-s0"]


@pytest.mark.parametrize("name", SMALL)
def test_names_say_all(name: str):
    one, other = instances.find(name), instances.find(name)
    assert repr(one.problem) == repr(other.problem)
    with pytest.raises(ValueError, match="expected such as"):
        instances.find(name.replace("-s", "-t"))


@pytest.mark.parametrize("name", SMALL)
def test_the_scorer_agrees_with_the_problem(name: str):
    instance = instances.find(name)
    solution = ccsolve.solve(instance.problem)
    worth = score(instance, solution.x)
    assert worth is not None
    assert worth.loss == pytest.approx(solution.objective)
    assert worth.excess <= 1e-9
    assert score(instance, None) is None


def test_the_scorer_sees_broken_budgets():
    instance = instances.find("net-4x9-B1-s0")
    problem = instance.problem
    assert isinstance(problem, ccsolve.RateAllocation)
    dearest = [int(paid[:, 0].argmax()) for paid in problem.costs]
    worth = score(instance, np.array(dearest))
    assert worth is not None and worth.excess > 0.1


def test_a_front_is_scored_against_its_own_budgets():
    instance = instances.find("front-4x9-B1-s0")
    found = TABLE["ccsolve front"].run(instance, 5.0)
    worth = score(instance, found.x)
    assert worth is not None and worth.excess <= 1e-9
    assert np.mean(found.bound) <= worth.loss + 1e-12


@pytest.mark.parametrize(
    ("name", "competitor"),
    [
        ("net-4x9-B1-s0", "ccsolve exact"),
        ("net-4x9-B3-s1", "HiGHS 1e-4"),
        ("net-4x9-B1-s0", "HiGHS LP"),
        ("net-4x9-B1-s1", "ccsolve buckets (SPDY)"),
        ("smooth-5x1-B1-s0", "ccsolve bisection"),
        ("smooth-5x1-B1-s0", "cvxpy, Clarabel"),
    ],
)
def test_competitors_answer(name: str, competitor: str):
    found = child.answer({"instance": name, "competitor": competitor, "seconds": 10.0})
    assert found["status"] == "ran", found
    assert found["cpu"] > 0 and found["version"]
    if found["loss"] is not None:
        assert found["bound"] <= found["loss"] * (1 + 1e-9) + 1e-12


def test_every_suite_names_known_competitors_and_instances():
    for suite in SUITES:
        assert set(suite.competitors) <= set(TABLE)
        assert len(list(suite.instances(2))) == 2


def test_the_page_is_drawn_from_rows(tmp_path: Path):
    suite = SUITES[1]
    rows = [
        Row(suite.name, "i-s0", name, "ran", loss, 0.0, 0.9, seconds, seconds, "x 1")
        for name, loss, seconds in (
            (suite.competitors[0], 1.0, 0.5),
            (suite.competitors[1], 1.1, 50.0),
        )
    ]
    append_rows(tmp_path / "rows.jsonl", rows)
    page = report.page(read_rows(tmp_path / "rows.jsonl", Row))
    line = next(part for part in page.splitlines() if suite.competitors[1] in part)
    assert "| 100 |" in line and "1.0e-01" in line
