"""The .lp files as Gurobi, SCIP and HiGHS read them; each needs the extra `peers`."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import ccsolve
from ccsolve import ChannelSelection, testing
from ccsolve.problems.generate import FAMILIES

# Peers drop coefficients below their tolerances, 1e-13 and the like.
NAMES = [name for name in FAMILIES if name != "tiny"]
TOLERANCE = 1e-6


def written(path: Path, family: str) -> ChannelSelection:
    problem = testing.problem(family, 7, 2)
    shifted = ChannelSelection(
        problem.dense(),
        problem.q,
        keep=problem.keep,
        constant=problem.constant + 2.5,
        cost=problem.cost,
        budget=problem.budget,
        fixed=problem.fixed,
    )
    ccsolve.write(path, shifted)
    return shifted


def assert_optimum(
    problem: ChannelSelection, value: float, variables: dict[str, float]
) -> None:
    z = np.array([variables[f"z{i}"] for i in range(problem.n)])
    _, optimum = testing.brute_force(problem)
    room = TOLERANCE * max(1.0, problem.data_scale)
    assert value == pytest.approx(optimum, rel=TOLERANCE, abs=room)
    assert problem.violation(z > 0.5) == 0
    assert problem.objective(z > 0.5) == pytest.approx(optimum, rel=1e-6, abs=room)


@pytest.mark.parametrize("family", NAMES)
def test_gurobi_finds_the_optimum(tmp_path: Path, family: str):
    gurobi = pytest.importorskip("gurobipy")
    problem = written(tmp_path / "a.lp", family)
    with gurobi.Env(params={"OutputFlag": 0, "MIPGap": 0.0}) as env:
        with gurobi.read(str(tmp_path / "a.lp"), env=env) as model:
            model.optimize()
            values = {v.VarName: v.X for v in model.getVars()}
            assert_optimum(problem, model.ObjVal, values)


@pytest.mark.parametrize("family", NAMES)
def test_scip_finds_the_optimum(tmp_path: Path, family: str):
    scip = pytest.importorskip("pyscipopt")
    problem = written(tmp_path / "a.lp", family)
    model = scip.Model()
    model.hideOutput()
    model.readProblem(str(tmp_path / "a.lp"))
    model.optimize()
    values = {v.name: model.getVal(v) for v in model.getVars()}
    assert_optimum(problem, model.getObjVal(), values)


@pytest.mark.parametrize("family", NAMES)
def test_highs_reads_the_same_program(tmp_path: Path, family: str):
    highspy = pytest.importorskip("highspy")
    problem = written(tmp_path / "a.lp", family)
    reader = highspy.Highs()
    reader.silent()
    assert reader.readModel(str(tmp_path / "a.lp")) == highspy.HighsStatus.kOk
    model = reader.getModel()
    order = [model.lp_.col_names_.index(f"z{i}") for i in range(problem.n)]
    H = lower_triangle(model.hessian_, len(model.lp_.col_names_))
    rng = np.random.default_rng(0)
    for z in rng.random((40, problem.n)) < 0.5:
        x = np.ones(len(model.lp_.col_names_))
        x[order] = z
        value = 0.5 * x @ H @ x + np.array(model.lp_.col_cost_) @ x + model.lp_.offset_
        expected = problem.objective(z)
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)
        within = bool((x >= model.lp_.col_lower_).all())
        within &= bool((x <= model.lp_.col_upper_).all())
        rows = rows_of(model.lp_) @ x
        within &= bool((rows >= np.array(model.lp_.row_lower_) - 1e-9).all())
        within &= bool((rows <= np.array(model.lp_.row_upper_) + 1e-9).all())
        assert within == (problem.violation(z) == 0)


def lower_triangle(hessian: object, n: int) -> np.ndarray:
    """Give the symmetric matrix of which HiGHS holds the lower triangle by columns."""
    start, index, value = (getattr(hessian, f"{name}_") for name in PARTS)
    H = np.zeros((n, n))
    for column, (low, high) in enumerate(itertools.pairwise(start)):
        for place in range(low, high):
            H[index[place], column] = H[column, index[place]] = value[place]
    return H


def rows_of(lp: object) -> np.ndarray:
    matrix = lp.a_matrix_  # pyright: ignore[reportAttributeAccessIssue]
    A = np.zeros((matrix.num_row_, matrix.num_col_))
    start = list(matrix.start_)
    for column, (low, high) in enumerate(itertools.pairwise(start)):
        for place in range(low, high):
            A[matrix.index_[place], column] = matrix.value_[place]
    return A


PARTS = ("start", "index", "value")
