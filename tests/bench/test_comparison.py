"""Rankings, the scorer, rows and shares of the time."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from ccsolve.bench import comparison, rankings
from ccsolve.bench.comparison import Clock, compare, rows_of
from ccsolve.bench.programs import Program, half_of_every_group
from ccsolve.bench.rows import write_rows
from ccsolve.bench.scorer import score
from ccsolve.errors import MissingStatistics
from ccsolve.problems import ChannelSelection
from ccsolve.problems.generate import cancelling
from ccsolve.statistics import Group, Statistics


def programs(count: int, n: int = 10) -> list[Program]:
    return [
        Program("test", str(seed), cancelling(n, seed=seed), {"index": np.arange(n)})
        for seed in range(count)
    ]


@pytest.mark.parametrize("factored", [False, True])
def test_diagonal_is_the_cost_of_removing_one_channel(factored: bool):
    rng = np.random.default_rng(0)
    J, n = rng.normal(size=(4, 9)), 9
    hessian, factor = (None, J) if factored else (J.T @ J, None)
    gradient = rng.normal(size=n)
    problem = ChannelSelection.from_removal(hessian, gradient, keep=4, factor=factor)
    ones = np.ones(n)
    alone = [problem.objective(ones - np.eye(n)[i]) for i in range(n)]
    assert set(np.flatnonzero(rankings.diagonal(problem))) == set(np.argsort(alone)[5:])


def test_diagonal_is_best_without_interaction():
    problem = ChannelSelection.from_removal(np.diag([3.0, 1, 4, 1.5, 5, 9]), keep=3)
    values = []
    for kept in itertools.combinations(range(6), 3):
        z = np.zeros(6)
        z[list(kept)] = 1
        values.append(problem.objective(z))
    assert problem.objective(rankings.diagonal(problem)) == min(values)


def test_ties_of_a_ranking_go_to_low_indices():
    assert rankings.top(np.ones(4), 2).tolist() == [True, True, False, False]
    assert not rankings.top(np.ones(4), 0).any() and rankings.top(np.ones(4), 4).all()


def test_the_scorer_gives_infeasible_points_nothing():
    problem = cancelling(6)
    assert score(problem, np.ones(6)) == math.inf
    z = rankings.diagonal(problem)
    assert problem.Q is not None
    assert score(problem, z) == pytest.approx(problem.Q[np.ix_(z, z)].sum())


def test_rows_of_a_program():
    (program,) = programs(1)
    rows = {row.method: row for row in rows_of(program, 60.0, 0)}
    assert list(rows) == ["diagonal", "index", "greedy", "solver"]
    solver = rows.pop("solver")
    assert solver.solved_by == "enumerate_all" and solver.gap == 0
    for row in rows.values():
        assert row.objective >= solver.bound and row.bound == -math.inf


def test_every_program_has_rows_when_the_time_is_up():
    found = list(compare(programs(3, n=44), Clock(0.0)))
    assert [rows[0].instance for rows in found] == ["0", "1", "2"]
    assert all(math.isfinite(rows[-1].objective) for rows in found)


def test_what_is_enumerated_leaves_its_share_to_others(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(Clock, "remaining", lambda clock: clock.seconds)
    small, large = programs(2), programs(2, n=44)
    given = comparison._shares([*small, *large], Clock(8.0), jobs=1)
    assert [share for _, share in given] == [4.0, 4.0, 4.0, 8.0]
    twice = comparison._shares(large, Clock(8.0), jobs=2)
    assert [share for _, share in twice] == [8.0, 16.0]


def test_rows_are_written_as_strict_json_lines(tmp_path: Path):
    rows = [row for found in compare(programs(2), Clock(1.0)) for row in found]
    path = tmp_path / "rows.jsonl"
    write_rows(path, rows)
    read = [
        json.loads(line, parse_constant=pytest.fail)
        for line in path.read_text().splitlines()
    ]
    assert [row["objective"] for row in read] == [row.objective for row in rows]
    assert read[0]["bound"] is None and read[0]["versions"]["numpy"]


def test_half_of_every_group_that_has_a_curvature():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9, 6))
    groups = [
        Group("both", 6, ggn_rows=rows, fisher=np.eye(6), gradient=rows[0]),
        Group("one", 5, fisher=np.eye(5), scores={"l1": np.ones(5)}),
        Group("none", 4),
        Group("single", 1, fisher=np.eye(1)),
    ]
    found = half_of_every_group(Statistics({group.name: group for group in groups}))
    names = [(program.family, program.instance) for program in found]
    assert names == [("ggn", "both"), ("fisher", "both"), ("fisher", "one")]
    assert [program.problem.keep for program in found] == [3, 3, 2]
    assert [list(program.scores) for program in found] == [
        ["first-order"],
        ["first-order"],
        ["L1 norm"],
    ]
    H = rows.T @ rows
    assert found[0].problem.objective(np.zeros(6)) == pytest.approx(0.5 * H.sum())


def test_statistics_without_curvature_have_no_programs():
    with pytest.raises(MissingStatistics, match="curvature"):
        half_of_every_group(Statistics({"a": Group("a", 4)}))
