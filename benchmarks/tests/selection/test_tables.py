"""Tables and goals are made of rows alone."""

import math
from dataclasses import replace

from benchmarks.selection import (
    goals,
    tables,
)
from benchmarks.tests.selection.samples import some_run
from ccsolve.bench.reading import refutations
from ccsolve.bench.runs import MISFIT, Run


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
