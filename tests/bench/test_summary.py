"""What the rows say."""

import math

import pytest

from ccsolve.bench import summary
from ccsolve.bench.rows import SOLVER, Row


def row(instance: str, method: str, objective: float, bound: float = -math.inf) -> Row:
    gap = (objective - bound) / objective
    return Row("ggn", instance, 4, 2, method, objective, 0.1, bound=bound, gap=gap)


ROWS = [
    row("a", "diagonal", 4.0),
    row("a", "greedy", 2.0),
    row("a", SOLVER, 2.0, 2.0),
    row("b", "diagonal", 3.0),
    row("b", "greedy", 6.0),
    row("b", SOLVER, 3.0, 1.0),
    row("b", "extra", 1e3),
    row("cut", "diagonal", 1.0),
]


def test_lines_are_programs_that_the_solver_saw():
    table = summary.lines(ROWS)
    assert [line.instance for line in table] == ["a", "b"]
    assert [line.best for line in table] == [2.0, 3.0]
    assert summary.methods_of(table) == ["diagonal", "greedy", SOLVER]
    assert summary.proven(table) == 1


def test_totals_against_best_and_bound():
    diagonal, greedy, solver = summary.totals(summary.lines(ROWS))
    assert diagonal.total == 7.0 and diagonal.above_best == pytest.approx(7 / 5 - 1)
    assert diagonal.median_above_best == 0.5 and diagonal.worst_above_best == 1.0
    assert greedy.above_bound == pytest.approx(8 / 3 - 1)
    assert solver.above_best == 0.0 and solver.median_above_bound == 1.0
    assert [t.found_best for t in (diagonal, greedy, solver)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("value", "reference", "expected"),
    [
        (2.0, 1.0, 1.0),
        (1.0, 1.0, 0.0),
        (1.0 + 1e-12, 1.0, 0.0),
        (0.0, 0.0, 0.0),
        (1.0, 0.0, math.inf),
        (1.0, -1.0, math.inf),
        (1.0, -math.inf, math.inf),
    ],
)
def test_excess(value: float, reference: float, expected: float):
    assert summary.excess(value, reference) == expected


def test_no_rows_make_no_totals():
    assert summary.lines([]) == [] and summary.totals([]) == []
