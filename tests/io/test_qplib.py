"""The .qplib format: the factor 2, the sense, the constraints it may hold."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ccsolve import ChannelSelection, read, write
from ccsolve.errors import InvalidFile, Unsupported
from ccsolve.problems.generate import FAMILIES

FILE = """! minimise 1/2 (4 x1^2 + 2*3 x2 x1) - x3 + 0.5, two of three chosen
EXAMPLE # name
QBL     # quadratic objective, binary variables, linear constraints
{sense}
3 # variables
1 # constraints
2 # quadratic terms
1 1 4.0
2 1 3.0
0 # default linear coefficient
1 # others
3 -1.0
0.5 # constant
{terms}
1e20 # infinity
{low} # default left-hand side
0
{high} # default right-hand side
0
0.0 # starting point
0
0.0 # constraint duals
0
0.0 # bound duals
0
0 # variable names
0 # constraint names
"""
EQUALITY = "3 # linear terms\n1 1 2.0\n1 2 2.0\n1 3 2.0"
BUDGET = "2 # linear terms\n1 1 2.0\n1 3 1.5"
COVERING = "2 # linear terms\n1 1 -2.0\n1 3 -1.5"


def example(
    path: Path,
    sense: str = "minimize",
    terms: str = EQUALITY,
    low: str = "4",
    high: str = "4",
) -> ChannelSelection:
    path.write_text(FILE.format(sense=sense, terms=terms, low=low, high=high))
    problem = read(path)
    assert isinstance(problem, ChannelSelection)
    return problem


@pytest.mark.parametrize(("sense", "sign"), [("minimize", 1), ("MAXIMIZE", -1)])
def test_the_lower_triangle_counts_once_per_pair(tmp_path: Path, sense: str, sign: int):
    problem = example(tmp_path / "a.qplib", sense)
    assert problem.keep == 2
    for x in itertools.product((0, 1), repeat=3):
        value = 2 * x[0] ** 2 + 3 * x[0] * x[1] - x[2] + 0.5
        assert problem.objective(np.array(x)) == pytest.approx(sign * value)


@pytest.mark.parametrize(
    ("terms", "low", "high"), [(BUDGET, "-1e20", "3"), (COVERING, "-3", "1e20")]
)
def test_one_sided_constraints_are_budgets(
    tmp_path: Path, terms: str, low: str, high: str
):
    problem = example(tmp_path / "a.qplib", terms=terms, low=low, high=high)
    assert problem.keep is None and problem.budget == 3
    np.testing.assert_array_equal(problem.cost, [2, 0, 1.5])


@pytest.mark.parametrize(
    ("terms", "low", "high"),
    [
        (EQUALITY, "3", "3"),  # 2 (x1 + x2 + x3) = 3
        (BUDGET, "3", "3"),  # a general equality
        (BUDGET, "1", "3"),  # two-sided
        (BUDGET, "1", "1e20"),  # a covering constraint
        (COVERING, "-1e20", "3"),  # a budget of negative costs
    ],
)
def test_other_constraints_are_refused(tmp_path: Path, terms: str, low: str, high: str):
    with pytest.raises(InvalidFile, match="constraint 1 of 1 is neither"):
        example(tmp_path / "a.qplib", terms=terms, low=low, high=high)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_reads_back(tmp_path: Path, family: str):
    problem = FAMILIES[family](6, 0)
    path = tmp_path / "a.qplib"
    if problem.fixed is not None:
        with pytest.raises(Unsupported, match="no fixings"):
            write(path, problem)
        return
    write(path, problem)
    back = read(path)
    assert isinstance(back, ChannelSelection)
    assert (back.keep, back.budget) == (problem.keep, problem.budget)
    np.testing.assert_array_equal(back.Q, problem.dense())
    for z in itertools.product((0.0, 1.0), repeat=6):
        point = np.array(z)
        assert back.objective(point) == pytest.approx(problem.objective(point))
        assert back.violation(point) == pytest.approx(problem.violation(point))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("QBL", "QML", "line 3: found 'QML'"),
        ("QBL", "QBQ", "binary variables and no or linear constraints"),
        ("QBL", "QB", "binary variables"),
        ("minimize", "reduce", "expected minimize or maximize"),
        ("3 # variables", "0 # variables", "number of variables from 1"),
        ("3 # variables", "10000000 # variables", "from 1 to 10000"),
        ("3 # variables", "many", "line 5: found 'many'"),
        ("2 1 3.0", "1 2 3.0", "lower triangle"),
        ("2 1 3.0", "4 1 3.0", "a row from 1 to 3"),
        ("2 1 3.0", "1 1 3.0", "each pair once"),
        ("2 1 3.0", "2 1 nan", "finite"),
        ("2 1 3.0", "2 1", "quadratic term"),
        ("2 # quadratic", "3 # quadratic", "line 10"),
        ("0.5 # constant", "inf", "constant of the objective, finite"),
        ("0 # constraint names\n", "0\n0\n", "the end of the file"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, old: str, new: str, message: str):
    whole = FILE.format(sense="minimize", terms=EQUALITY, low="4", high="4")
    assert old in whole
    path = tmp_path / "a.qplib"
    path.write_text(whole.replace(old, new))
    with pytest.raises(InvalidFile, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_ends_early_is_refused(tmp_path: Path):
    whole = FILE.format(sense="minimize", terms=EQUALITY, low="4", high="4")
    lines = whole.splitlines()
    complete = next(
        place for place, line in enumerate(lines) if "starting point" in line
    )
    for count in range(complete):
        path = tmp_path / "a.qplib"
        path.write_text("\n".join(lines[:count]))
        with pytest.raises(InvalidFile, match=r"ends early|expected"):
            read(path)


def test_binary_programs_without_constraints(tmp_path: Path):
    path = tmp_path / "a.qplib"
    path.write_text(
        "NAME\nLBN\nmaximize\n2\n1.0\n1\n2 3.0\n0.0\n0.0\n0\n0.0\n0\n0\n0\n"
    )
    problem = read(path)
    assert isinstance(problem, ChannelSelection)
    assert problem.keep is None and problem.cost is None
    assert problem.objective(np.ones(2)) == -4
