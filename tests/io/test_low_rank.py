"""Low-rank fits and lists of factors in `.npz` files, and what is refused there."""

from pathlib import Path

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import InvalidFile
from ccsolve.io.npz import read_arrays, write_arrays
from ccsolve.problems.generate_low_rank import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_problems_come_back(tmp_path: Path, family: str):
    problem = FAMILIES[family](0)
    ccsolve.write(tmp_path / "a.npz", problem)
    found = ccsolve.read(tmp_path / "a.npz")
    assert repr(found) == repr(problem)
    np.testing.assert_array_equal(found.tensor, problem.tensor)
    assert found.tensor.dtype == problem.tensor.dtype
    assert found.limit == problem.limit
    assert found.whole == problem.whole
    x = problem.feasible_point()
    assert found.objective(x) == problem.objective(x)
    assert found.energy == problem.energy


def test_costs_and_budgets_keep_their_kind(tmp_path: Path):
    tensor = np.ones((4, 5))
    for budget, costs in ((0.9, None), (30, [2.0, 1.0])):
        problem = ccsolve.LowRankFit(tensor, "svd", budget=budget, costs=costs)
        ccsolve.write(tmp_path / "a.npz", problem)
        found = ccsolve.read(tmp_path / "a.npz")
        assert (found.budget, type(found.budget)) == (budget, type(budget))
        np.testing.assert_array_equal(found.costs, problem.costs)


@pytest.mark.parametrize("family", ["svd, float32", "tucker-2", "tt", "tr", "zero"])
def test_solutions_come_back_and_verify(tmp_path: Path, family: str):
    problem = FAMILIES[family](0)
    solution = ccsolve.solve(problem)
    ccsolve.write(tmp_path / "x.npz", solution)
    found = ccsolve.read(tmp_path / "x.npz")
    assert isinstance(found.x, list)
    for mine, theirs in zip(solution.x, found.x, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype
    ccsolve.verify(problem, found)


def changed(path: Path, **arrays: np.ndarray | None) -> None:
    held = read_arrays(path)
    for name, value in arrays.items():
        key = name.replace("__", "/")
        if value is None:
            del held[key]
        else:
            held[key] = value
    write_arrays(path, held)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"tensor": None}, "no array 'tensor'"),
        ({"format": None}, "no array 'format'"),
        ({"tensor": np.array([[np.nan]])}, "NaN"),
        ({"tensor": np.array([[np.inf]])}, "infinite"),
        ({"ranks": np.array([9])}, r"ranks\[0\] = 9"),
        ({"ranks": np.array([1.5])}, "expected whole numbers"),
        ({"ranks": None}, "none of ranks"),
        ({"tolerance": np.asarray(0.1)}, "ranks and tolerance"),
        ({"covariance": np.eye(3)}, "trailing"),
        ({"covariance": np.eye(9), "covariance__1": np.eye(9)}, "one kind"),
        ({"covariance__7": np.eye(9)}, "unknown array 'covariance/7'"),
        ({"surplus": np.eye(3)}, "unknown array 'surplus'"),
    ],
)
def test_what_makes_no_problem_is_refused(tmp_path: Path, arrays: dict, match: str):
    path = tmp_path / "a.npz"
    ccsolve.write(path, FAMILIES["svd"](0))
    changed(path, **arrays)
    with pytest.raises(InvalidFile, match=match) as caught:
        ccsolve.read(path)
    assert "a.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"x__0": None}, "unknown array 'x/1'"),
        ({"x__3": np.ones(2)}, "unknown array 'x/3'"),
        ({"x": np.ones(3)}, "unknown array 'x'"),
        ({"x__0": np.full((6, 2), np.inf)}, "infinities"),
        ({"x__0": np.full((6, 2), np.nan)}, "NaN"),
        ({"x__0": np.array(["a"])}, "expected numbers"),
    ],
)
def test_points_that_are_not_whole_are_refused(
    tmp_path: Path, arrays: dict, match: str
):
    path = tmp_path / "x.npz"
    ccsolve.write(path, ccsolve.solve(FAMILIES["svd"](0)))
    changed(path, **arrays)
    with pytest.raises(InvalidFile, match=match):
        ccsolve.read(path)
