"""The benchmark of whole networks: its scorer, peers, rows and page."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.json_lines import append_rows, read_rows
from benchmarks.network import __main__ as command
from benchmarks.network import drawing, report
from benchmarks.network.cases import CASES, Case
from benchmarks.network.contenders import CONTENDERS
from benchmarks.network.large import layers, resnet50
from benchmarks.network.rows import Row, is_done, latest
from benchmarks.network.schedule import PEERED, SIZE, limit_of
from benchmarks.network.scorer import cost, faults, value
from ccsolve import NetworkSelection, testing
from ccsolve.problems.generate_network import FAMILIES, chain
from ccsolve.problems.network_points import random_point


def test_names_are_unique_and_every_case_is_run():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert {SIZE, *PEERED} <= set(names)
    for case in CASES:
        assert any(limit_of(case, name) for name in CONTENDERS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_scorer_agrees_with_the_problem(family: str):
    problem, rng = FAMILIES[family](0), np.random.default_rng(0)
    parts = problem.parts()
    for _ in range(20):
        z = random_point(problem, rng)
        assert value(parts, z) == pytest.approx(problem.objective(z))
        assert faults(parts, z) == []
        k = problem.widths_of(z)
        costs = [cost(budget, k) for budget in problem.budgets]
        np.testing.assert_allclose(costs, problem.spent(z))
    z = np.ones(problem.n, dtype=bool)
    assert bool(faults(parts, z)) == (problem.violation(z) > 0)


def test_the_scorer_takes_factors_and_names_what_is_broken():
    made = chain([3, 4], 0, share=0.9, multiple_of=2, min_keep=1)
    changes: dict[str, Any] = {
        "factor": np.arange(14.0).reshape(2, 7),
        "diagonal": np.ones(7),
        "fixed": [1, -1, -1, -1, -1, -1, 0],
        "budgets": (),
    }
    problem = NetworkSelection(**(made.parts() | changes))
    z = np.array([0, 0, 1, 0, 0, 1, 1], dtype=bool)
    assert value(problem.parts(), z) == pytest.approx(problem.objective(z))
    assert faults(problem.parts(), z) == ["width of group 0", "fixings"]


def test_the_large_program_is_of_its_size():
    sizes, products, _ = layers()
    assert sum(sizes) == 26_560
    assert max(sizes) == 2048
    assert all(g < h < len(sizes) for g, h in products)
    problem = resnet50(rows=3)
    assert problem.objective(np.ones(problem.n)) == pytest.approx(0.0, abs=1e-6)
    rng = np.random.default_rng(0)
    assert problem.objective(random_point(problem, rng)) > 0


@pytest.mark.parametrize("name", ["SCIP native", "SCIP linearised", "Gurobi"])
@pytest.mark.parametrize("coupled", [True, False])
def test_peers_find_the_optimum_of_a_small_program(name: str, coupled: bool):
    pytest.importorskip("gurobipy" if name == "Gurobi" else "pyscipopt")
    problem = chain([3, 4, 3], 0, coupled=coupled)
    run = CONTENDERS[name](problem, 20.0)
    optimum = testing.brute_force(problem)[1]
    assert run.x is not None
    assert faults(problem.parts(), run.x) == []
    assert value(problem.parts(), run.x) == pytest.approx(optimum)
    bounds = [bound for _, _, bound in run.trace if bound is not None]
    assert max(bounds) <= optimum + 1e-5 * abs(optimum) + 1e-6


def test_peers_say_why_they_do_not_run():
    pytest.importorskip("gurobipy")
    pytest.importorskip("pyscipopt")
    large = chain([40] * 10, 0, coupled=True)
    told = CONTENDERS["Gurobi"](large, 1.0).status
    assert told.startswith("not run: 410 variables")
    assert "products" in CONTENDERS["SCIP linearised"](large, 1.0).status
    tables = chain([3, 3], 0, tables=True)
    assert "tables" in CONTENDERS["SCIP native"](tables, 1.0).status


def test_what_failed_is_run_again_and_shown_once():
    failed = Row("a", "b", "failed: no memory", 3, 5.0)
    again = Row("a", "b", "ran", 3, 5.0)
    assert [is_done(row) for row in (failed, again)] == [False, True]
    assert latest([failed, again]) == [again]


def test_the_page_tells_what_of_a_core_each_had():
    about = {"channels": 3, "limit": 5.0, "times": [5.0], "values": [1.0]}
    rows = [
        Row(CASES[0].name, "ccsolve greedy", "ran", **about, bounds=[None],
            seconds=8.0, cpu=2.0),
        Row(CASES[0].name, "SCIP native", "ran", **about, bounds=[None], seconds=4.0),
    ]  # fmt: skip
    text = report.page(rows)
    assert "25 to 25 %; of 1 rows it was not recorded" in text
    assert "not recorded." in report.page(rows[1:])


def test_seeds_in_turn_hold_the_best_of_each():
    problem = chain([12, 14, 12], 0, coupled=True)
    run = CONTENDERS["ccsolve, 6 seeds"](problem, 3.0)
    assert run.x is not None
    values = [value for _, value, _ in run.trace if value is not None]
    assert problem.objective(run.x) == pytest.approx(min(values))
    times = [at for at, *_ in run.trace]
    assert times == sorted(times) and 2.5 < times[-1]


def test_rows_make_a_page(tmp_path: Path):
    pytest.importorskip("matplotlib")
    case = Case(CASES[0].name, make=lambda: chain([6, 8, 6], 0, coupled=True))
    names = ["ccsolve search_and_bound", "ccsolve greedy", "block Lagrangian"]
    rows = [command.measured(case, name, 0.5, None) for name in names]
    assert all(row.status == "ran" for row in rows)
    assert all(row.cpu and row.seconds for row in rows)
    path = tmp_path / "rows.jsonl"
    append_rows(path, rows)
    assert read_rows(path, Row) == rows
    text = report.page(rows)
    assert text.startswith("# Whole networks")
    assert "block Lagrangian" in text
    drawn = drawing.curves(rows, tmp_path)
    assert case.name in drawn.read_text(encoding="utf-8")
