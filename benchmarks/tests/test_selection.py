"""The parts of the selection benchmark, on made-up instances."""

import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ccsolve
from benchmarks.selection import (
    child,
    goals,
    report,
    running,
    scorer,
    suites,
    tables,
    workers,
)
from benchmarks.selection.competitors import dwave_tabu, highs, ours, table
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms
from benchmarks.selection.instances import catalogue
from benchmarks.selection.instances.instance import Instance
from benchmarks.selection.jobs import Job
from benchmarks.selection.scorer import score
from ccsolve.bench.reading import refutations
from ccsolve.bench.runs import FAILED, MISFIT, MISSING, RAN, SILENT, Run, read_runs

MANIFEST = """name,family,n,p,best_known,proven,source,note,S_from
small,made-up,6,3,{best},1,,,
again,made-up,6,2,0.5,0,,,small
budget,made-up,6,-1,-1.0,0,,,
"""
NAMES = ["small", "again", "budget", "ggn_00"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write three instances and one real-looking program."""
    rng = np.random.default_rng(0)
    S = rng.standard_normal((6, 6))
    S = S + S.T
    sets = map(list, itertools.combinations(range(6), 3))
    best = float(min(S[np.ix_(chosen, chosen)].sum() for chosen in sets))
    path = tmp_path / "instances"
    path.mkdir()
    (path / "manifest.csv").write_text(MANIFEST.format(best=best))
    none = np.empty(0)
    np.savez(path / "small.npz", S=S, c=np.zeros(6), p=3, a=none, b=none)
    np.savez(path / "again.npz", c=np.zeros(6), p=2, a=none, b=none)
    np.savez(path / "budget.npz", S=S, c=np.zeros(6), p=-1, a=np.ones(6), b=2.0)
    np.savez(
        path / "ccp_resnet56.npz",
        names=np.array(["ggn_00"]),
        remove=np.array([2]),
        best_known=np.array([1.0]),
        proven=np.array([True]),
        ggn_00=(S @ S).astype(np.float32),
    )
    return tmp_path


def all_points(n: int) -> list[np.ndarray]:
    return [np.array(bits) for bits in itertools.product((0, 1), repeat=n)]


def some_run(**fields: object) -> Run:
    key = ("gaps", "one", "made-up n=8", 8, 4, "ours", 0, 1.0)
    return replace(Run(*key), **fields)  # pyright: ignore[reportArgumentType]


def test_instances_are_read_with_their_constraints(folder: Path):
    assert catalogue.names_of_files(folder) == NAMES
    small, again, budget, real = (catalogue.find(name, folder) for name in NAMES)
    assert (small.problem.keep, again.problem.keep, budget.problem.keep) == (3, 2, None)
    np.testing.assert_array_equal(again.S, small.S)
    assert budget.problem.budget == 2.0
    assert real.problem.keep == 4 and real.family == "ccp ggn n=6"


@pytest.mark.parametrize(
    ("name", "n", "keep"),
    [
        ("kcluster-12-25-4-s3", 12, 4),
        ("mdg-20-5-s0", 20, 5),
        ("gkd-20-5-s1", 20, 5),
        ("ccpz-10-s2", 10, 5),
    ],
)
def test_names_of_members_say_all(name: str, n: int, keep: int):
    made, again = catalogue.find(name, None), catalogue.find(name, None)
    assert (made.problem.n, made.problem.keep, made.count) == (n, keep, keep)
    np.testing.assert_array_equal(made.S, again.S)


@pytest.mark.parametrize("name", ["ccpz-10", "mdg-20-s0", "small", "ccpz-x-s0"])
def test_what_is_nowhere_is_named(name: str):
    with pytest.raises(LookupError, match=name):
        catalogue.find(name, None)


def test_missing_data_are_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"manifest\.csv is missing; expected"):
        catalogue.find("small", tmp_path)


def test_the_scorer_agrees_with_the_problems(folder: Path):
    for instance in (catalogue.find(name, folder) for name in NAMES):
        for z in all_points(6):
            if instance.problem.violation(z) > 0:
                assert score(instance, z) == math.inf
            else:
                expected = instance.problem.objective(z)
                assert score(instance, z) == pytest.approx(expected, abs=1e-4)


def test_the_scorer_takes_no_fraction_and_no_other_shape(folder: Path):
    small = catalogue.find("small", folder)
    assert score(small, np.full(6, 0.5)) == math.inf
    assert score(small, np.ones(3)) == math.inf


def test_only_improvements_are_kept(folder: Path):
    small = catalogue.find("small", folder)
    points = [z for z in all_points(6) if z.sum() == 3]
    timed = [(float(at), z) for at, z in enumerate(points)]
    curve, best = scorer.improvements(small, [*timed[::-1], (0.5, np.ones(6))])
    values = [value for _, value in curve]
    assert values == sorted(values, reverse=True) and len(set(values)) == len(values)
    assert best is not None and values[-1] == min(score(small, z) for z in points)


def test_our_methods_tell_when(folder: Path):
    small = catalogue.find("small", folder)
    found = ours.run(small.problem, Terms(1.0), method="auto")
    curve, _ = scorer.improvements(small, found.points)
    assert curve[-1][1] == pytest.approx(small.best_known)
    assert max(bound for _, bound in found.bounds) <= curve[-1][1] + 1e-9
    stopped = ours.run(small.problem, Terms(60.0, target=1e9), method="tabu")
    assert stopped.seconds < 10.0


def test_what_a_method_cannot_take_is_said():
    with pytest.raises(DoesNotFit, match="n <= 40"):
        large = catalogue.find("ccpz-60-s0", None).problem
        ours.run(large, Terms(1.0), method="enumerate_all")


def test_the_penalised_matrix_is_the_objective_plus_the_penalty(folder: Path):
    small = catalogue.find("small", folder)
    matrix, shift = dwave_tabu._penalised(small.problem, 1.0)
    upper = dwave_tabu._upper(matrix)
    assert not np.tril(upper, -1).any()
    for z in all_points(6):
        energy = z @ upper @ z + shift
        if z.sum() == small.count:
            assert energy == pytest.approx(score(small, z))
        else:
            assert energy > z @ small.S @ z


def test_repair_ends_at_the_cardinality(folder: Path):
    problem = catalogue.find("small", folder).problem
    for count in range(7):
        assert dwave_tabu._repaired(problem, np.arange(6) < count).sum() == problem.keep


@pytest.mark.parametrize("keep", [None, 0, 1, 3, 5, 6])
def test_the_linearisation_has_the_same_values(keep: int | None):
    rng = np.random.default_rng(1)
    S = rng.standard_normal((6, 6))
    problem = ccsolve.ChannelSelection(S + S.T, rng.standard_normal(6), keep=keep)
    rows, low, _ = highs._rows(problem)
    linear = np.diag(problem.dense()) + problem.q
    for z in all_points(6):
        if keep is None or z.sum() == keep:
            ends = np.reshape((low - rows[:, :6] @ z)[:12], (2, 6))
            least = ends.max(axis=0).sum() + linear @ z
            assert least == pytest.approx(problem.objective(z))


def test_every_suite_has_jobs(folder: Path):
    for name in suites.SUITES:
        found = list(suites.jobs(name, folder, seeds=2))
        assert found and len({job.key for job in found}) == len(found)
        assert all(table.known(job.competitor) for job in found)
        generated = list(suites.jobs(name, None, seeds=1, competitors=["greedy"]))
        assert all(catalogue.find(job.instance, None) for job in generated[:1])


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


def test_a_refuted_bound_is_loud():
    point = some_run(competitor="theirs", objective=1.0)
    bad = some_run(bound=1.0 + 1e-7)
    assert "bound 1.0000001" in str(*refutations([point, bad]))
    assert not refutations([point, replace(bad, rigorous=False)])
    assert not refutations([point, replace(bad, resolution=1e-6)])


def test_tables_have_as_many_cells_as_titles():
    runs = [
        some_run(
            competitor=name, objective=value, bound=0.5, seconds=0.1, base_mb=1.0,
            peak_mb=2.0, points=((0.1, value),), bounds=((0.1, 0.5),), target=1.0,
            best_known=1.0,
        )
        for name, value in (("ours", 1.0), ("gurobi", 2.0), ("scs-sdp", math.inf))
    ]  # fmt: skip
    runs.append(some_run(competitor="other", status=MISFIT, note="too | large"))
    best = tables.best_of(runs)
    for lines in (
        tables.heuristics(runs[:2], best),
        tables.duels(runs),
        tables.targets(runs),
        tables.proofs(runs),
        tables.gaps(runs, best),
        tables.bounds(runs, best),
        tables.memory(runs),
        tables.left_out(runs),
    ):
        shown = list(lines)
        assert len(shown) > 2
        assert len({line.count("|") for line in shown}) == 1


def test_a_cut_solver_has_no_value_to_be_compared_with():
    ours_ = some_run(competitor="dnn", bound=1.0, bounds=((0.1, 1.0),), objective=2.0)
    cut = some_run(competitor="scs-dnn", rigorous=False, stop="optimal_inaccurate")
    best = tables.best_of([ours_, cut])
    _, _, first, second = tables.bounds([ours_, cut], best)
    assert first.endswith("|  |  |") and "optimal_inaccurate" in second


def test_goals_are_measured_by_rows_alone():
    def row(suite: str, instance: str, competitor: str, **fields: object) -> Run:
        key = {"suite": suite, "instance": instance, "competitor": competitor}
        return some_run(**key, **fields)

    proof = {"n": 64, "objective": 1.0, "bound": 1.0, "seconds": 2.0}
    curve = {"n": 160, "bound": -10.0, "bounds": ((0.5, -10.0),), "seconds": 0.5}
    runs = [
        row("proofs", "ggn_00", "tabu", **{**proof, "bound": 0.0}),
        row("proofs", "ggn_00", "exact", **proof),
        row("proofs", "ggn_00", "gurobi", **proof),
        row("bounds", "kcluster-160-25-40-s0", "dnn", **curve),
        row("bounds", "kcluster-160-25-40-s0", "scs-dnn", rigorous=False, **{
            **curve, "seconds": 5.0}),
        row("heuristics", "ccpz-8-s0", "tabu", objective=1.0),
        row("heuristics", "ccpz-8-s0", "dwave-tabu", objective=2.0),
        row("targets", "kcluster-8-25-2-s0", "tabu", target=1.0, points=((0.1, 1.0),)),
    ]  # fmt: skip
    text = "\n".join(goals.lines(runs, tables.best_of(runs)))
    assert "exact: 1/1, 2 s in all, longest 2 s; gurobi: 1/1" in text
    assert "dnn 0.5 s, SCS 5 s: 10 x" in text
    assert "better on 1/1, equal on 0" in text and "0/1, slowest 0.1 s" in text
    assert list(goals.lines([], {})) == []


def test_an_answer_without_points_has_no_value(folder: Path):
    small = catalogue.find("small", folder)
    assert scorer.improvements(small, Answer().points) == ([], None)
