"""Jobs become rows, whatever happens to the processes that do them."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.selection import (
    child,
    report,
    running,
    workers,
)
from benchmarks.selection.competitors import ours
from benchmarks.selection.competitors.answer import Answer
from benchmarks.selection.instances import catalogue
from benchmarks.selection.instances.instance import Instance
from benchmarks.selection.jobs import Job
from ccsolve.bench.reading import refutations
from ccsolve.bench.runs import FAILED, MISSING, RAN, SILENT, read_runs


def jobs(*competitors: str, seconds: float = 0.2) -> list[Job]:
    return [
        Job("gaps", instance, competitor, seconds=seconds)
        for instance in ("small", "budget")
        for competitor in competitors
    ]


def test_rows_come_resume_and_make_a_page(folder: Path):
    path, page = folder / "gaps.jsonl", folder / "page.md"
    first = next(iter(running.run_all(jobs("greedy"), folder, path, [])))
    assert first.status == RAN and first.objective < math.inf and first.kept
    wanted = jobs("greedy", "convex_relaxation", "scs-sdp")
    rest = list(running.run_all(wanted, folder, path, read_runs(path)))
    assert len(rest) == 5 and len(read_runs(path)) == 6
    assert [run.status for run in rest if run.instance == "budget"][-1] != RAN
    assert not list(running.run_all(wanted, folder, path, read_runs(path)))
    assert refutations(read_runs(path)) == []
    written = report.write(read_runs(path), page)
    text = page.read_text()
    assert written[0] == page and "## Left out" in text and "scs-sdp" in text
    assert str(folder) not in text


JOB = {"seconds": 0.1, "seed": 0, "target": None, "curve": False, "fresh": False}


def test_a_peer_that_is_not_installed_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    small = catalogue.find("small", folder)
    found = child.answer({**JOB, "competitor": "gurobi"}, small)
    assert found["status"] == MISSING and "ccsolve[peers]" in found["note"]


def test_what_a_competitor_raises_names_no_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*args: object, **options: object) -> Answer:
        raise ValueError(f"in {folder}/x:\n n(n + 1)/2 rows")

    monkeypatch.setattr(ours, "run", fail)
    small = catalogue.find("small", folder)
    found = child.answer({**JOB, "competitor": "tabu"}, small)
    assert found["status"] == FAILED
    assert found["note"] == "ValueError: in ... n(n + 1)/2 rows"


def test_memory_is_counted_from_where_the_run_begins(folder: Path):
    small = catalogue.find("small", folder)
    found = child.answer({**JOB, "competitor": "greedy", "fresh": True}, small)
    assert found["peak_mb"] >= found["base_mb"] - 0.1 or math.isnan(found["base_mb"])
    found = child.answer({**JOB, "competitor": "greedy"}, small)
    assert math.isnan(found["peak_mb"])


def test_a_process_that_dies_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    path = folder / "gaps.jsonl"
    found = list(running.run_all(jobs("greedy"), folder, path, []))
    assert [run.note for run in found] == ["its process died with code 1"] * 2


def test_a_process_that_is_silent_is_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(workers, "PATIENCE", 0.01)
    path = folder / "gaps.jsonl"
    (silent, *_) = running.run_all(jobs("greedy", seconds=1e-3), folder, path, [])
    assert silent.status == SILENT and silent.objective == math.inf


def test_targets_are_the_best_known(folder: Path):
    small = catalogue.find("small", folder)
    job = Job("targets", "small", "tabu", to_target=True, within=0.1)
    assert running.target_of(replace(job, to_target=False), small, {}) is None
    target = running.target_of(job, small, {})
    assert target == pytest.approx(small.best_known + 0.1 * abs(small.best_known))
    better = running.target_of(job, small, {"small": small.best_known - 1.0})
    assert better is not None and target is not None and better < target
    unknown: Instance = catalogue.find("ccpz-10-s0", None)
    assert running.target_of(job, unknown, {}) is None
