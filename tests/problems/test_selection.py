"""ChannelSelection: scoring, feasibility, both forms, and every refusal."""

import itertools
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import ChannelSelection
from ccsolve.errors import Infeasible, InvalidProblem, Unsupported


def random_data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    return A + A.T, rng.standard_normal(n)


def points(n: int) -> np.ndarray:
    return np.array(list(itertools.product((0.0, 1.0), repeat=n)))


def test_objective_is_the_formula():
    Q, q = random_data(5)
    problem = ChannelSelection(Q, q, keep=2, constant=3.0)
    for z in points(5):
        by_entries = sum(
            Q[i, j] * z[i] * z[j] for i in range(5) for j in range(5)
        ) + sum(q * z)
        assert problem.objective(z) == pytest.approx(by_entries + 3.0, abs=1e-12)


def test_factor_form_is_the_dense_form():
    rng = np.random.default_rng(1)
    F, d = rng.standard_normal((3, 6)), rng.standard_normal(6)
    factored = ChannelSelection(factor=F, diagonal=d, keep=3)
    dense = ChannelSelection(F.T @ F + np.diag(d), keep=3)
    np.testing.assert_allclose(factored.dense(), dense.dense(), atol=1e-12)
    np.testing.assert_allclose(factored.diagonal_of_Q(), dense.diagonal_of_Q())
    V = rng.standard_normal((6, 2))
    np.testing.assert_allclose(factored.multiply(V), dense.multiply(V), atol=1e-12)
    np.testing.assert_allclose(factored.multiply(V[:, 0]), dense.multiply(V[:, 0]))
    for z in points(6):
        assert factored.objective(z) == pytest.approx(dense.objective(z), abs=1e-12)
    arrays = factored.arrays()
    assert arrays.points.flags.c_contiguous
    rebuilt = arrays.points @ arrays.points.T + np.diag(arrays.diagonal)
    np.testing.assert_allclose(rebuilt, dense.dense(), atol=1e-12)


@pytest.mark.parametrize("form", ["dense", "factored"])
@pytest.mark.parametrize("first_order", [0.0, 0.4, 1.0])
def test_from_removal_is_the_taylor_model(form: str, first_order: float):
    rng = np.random.default_rng(2)
    F, d, g = rng.standard_normal((4, 6)), rng.random(6), rng.standard_normal(6)
    H = F.T @ F + np.diag(d)
    factored = {"factor": F, "diagonal": d}
    data: dict[str, Any] = {"hessian": H} if form == "dense" else factored
    problem = ChannelSelection.from_removal(
        **data, gradient=g, keep=3, damping=0.3, first_order=first_order
    )
    damped = H + 0.3 * np.eye(6)
    for z in points(6):
        u = 1.0 - z
        model = -first_order * g @ u + 0.5 * u @ damped @ u
        assert problem.objective(z) == pytest.approx(model, abs=1e-12)


def test_violation_measures_each_constraint():
    Q, q = random_data(4)
    problem = ChannelSelection(
        Q, q, keep=2, cost=[1, 2, 3, 4], budget=5, fixed=[1, -1, -1, -1]
    )
    assert problem.violation(np.array([1, 1, 0, 0])) == 0
    assert problem.violation(np.array([True, False, False, True])) == 0
    assert problem.violation(np.array([1, 0, 0, 0])) == 1
    assert problem.violation(np.array([1, 0, 1, 1])) == 1
    assert problem.violation(np.array([0, 0, 1, 1])) == 1
    assert problem.violation(np.array([1, 0.5, 0.5, 0])) == 0.5
    with pytest.raises(InvalidProblem, match=r"shape \(3,\); expected \(4,\)"):
        problem.violation(np.array([1, 1, 0]))


def test_overspending_counts_in_units_of_the_dearest_channel():
    for unit in (1e-12, 1.0, 1e12):
        cost = unit * np.array([1.0, 2.0, 4.0])
        problem = ChannelSelection(np.zeros((3, 3)), cost=cost, budget=4.0 * unit)
        assert problem.violation(np.ones(3)) == pytest.approx(0.75)


def test_the_data_scale_of_a_factor_is_not_hidden_by_its_diagonal():
    F = np.array([[3.0, 4.0]])
    problem = ChannelSelection(factor=F, diagonal=-np.square(F[0]))
    assert problem.data_scale >= np.abs(problem.dense()).max() == 12.0


def test_a_budget_that_is_met_exactly_is_met():
    cost = np.full(10, 0.1)
    problem = ChannelSelection(np.zeros((10, 10)), cost=cost, budget=0.3)
    assert problem.violation(np.arange(10) < 3) == 0
    assert problem.violation(np.arange(10) < 4) > 0


def test_arrays_are_copies_and_read_only():
    Q, q = random_data(4)
    problem = ChannelSelection(Q, q, keep=2)
    before = problem.objective(np.ones(4))
    Q[:] = 0
    assert problem.objective(np.ones(4)) == before
    assert problem.Q is not None
    with pytest.raises(ValueError, match="read-only"):
        problem.Q[0, 0] = 1.0
    with pytest.raises(AttributeError):
        problem.keep = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_rounding_of_a_symmetric_matrix_is_accepted():
    Q, q = random_data(5)
    skewed = Q.copy()
    skewed[0, 1] += 1e-9
    problem = ChannelSelection(skewed, q, keep=2)
    assert problem.Q is not None
    np.testing.assert_array_equal(problem.Q, problem.Q.T)


GOOD = {"Q": np.eye(4), "keep": 2}
BAD = {
    "no data": ({"Q": None}, "either Q or factor"),
    "both forms": ({"factor": np.eye(4)}, "either Q or factor"),
    "nan": ({"Q": np.full((4, 4), np.nan)}, "16 NaN or infinite"),
    "inf q": ({"q": [0, np.inf, 0, 0]}, "1 NaN or infinite"),
    "text": ({"q": ["a", "b", "c", "d"]}, "not an array of real numbers"),
    "complex": ({"Q": 1j * np.eye(4)}, "complex"),
    "overflowing": ({"Q": np.full((4, 4), 1e300)}, r"at most 1e\+200 in size; rescale"),
    "overflowing q": ({"q": [0, -1e201, 0, 0]}, r"entries up to 1e\+201"),
    "overflowing factor": (
        {"Q": None, "factor": np.full((4, 4), 1e101)},
        r"at most 1e\+100 in size",
    ),
    "ragged": ({"Q": [[1, 2], [3]]}, "not an array of real numbers"),
    "not square": ({"Q": np.ones((4, 3))}, "square"),
    "vector": ({"Q": np.ones(4)}, "shape"),
    "asymmetric": ({"Q": np.triu(np.ones((4, 4)))}, "not symmetric"),
    "q shape": ({"q": np.ones(3)}, r"shape \(3,\); expected \(4,\)"),
    "keep high": ({"keep": 5}, "keep = 5; expected a whole number from 0 to 4"),
    "keep low": ({"keep": -1}, "keep = -1"),
    "keep half": ({"keep": 1.5}, "whole number"),
    "keep bool": ({"keep": True}, "whole number"),
    "constant": ({"constant": np.nan}, "finite"),
    "cost alone": ({"cost": np.ones(4)}, "go together"),
    "budget alone": ({"budget": 1.0}, "go together"),
    "negative cost": ({"cost": [-1, 1, 1, 1], "budget": 3}, "expected >= 0"),
    "negative budget": ({"cost": np.ones(4), "budget": -3}, "at least 0"),
    "nan budget": ({"cost": np.ones(4), "budget": np.nan}, "finite"),
    "fixed value": ({"fixed": [2, 0, 0, 0]}, "other values"),
    "fixed shape": ({"fixed": [1, 0]}, "shape"),
    "diagonal": ({"diagonal": np.ones(4)}, "belongs to factor"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_are_refused_in_one_line(name: str):
    change, message = BAD[name]
    with pytest.raises(InvalidProblem, match=message) as caught:
        ChannelSelection(**{**GOOD, **change})
    assert "\n" not in str(caught.value)


INFEASIBLE = {
    "fixed kept": ({"fixed": [1, 1, 1, -1]}, "the fixings allow 3 to 4"),
    "fixed removed": ({"fixed": [0, 0, 0, -1]}, "the fixings allow 0 to 1"),
    "budget": ({"cost": [3, 4, 5, 6], "budget": 6}, "cheapest choice allowed costs 7"),
    "budget fixed": (
        {"cost": [3, 4, 5, 6], "budget": 8, "fixed": [-1, -1, -1, 1]},
        "costs 9",
    ),
}


@pytest.mark.parametrize("name", INFEASIBLE)
def test_contradictions_are_explained(name: str):
    change, message = INFEASIBLE[name]
    with pytest.raises(Infeasible, match=message):
        ChannelSelection(**{**GOOD, **change})


def test_from_removal_refuses_as_the_constructor_does():
    with pytest.raises(InvalidProblem, match="either hessian or factor"):
        ChannelSelection.from_removal(keep=1)
    with pytest.raises(InvalidProblem, match="damping"):
        ChannelSelection.from_removal(np.eye(3), keep=1, damping=-1.0)
    with pytest.raises(InvalidProblem, match="diagonal belongs to factor"):
        ChannelSelection.from_removal(np.eye(3), keep=1, diagonal=np.ones(3))
    with pytest.raises(InvalidProblem, match="gradient has shape"):
        ChannelSelection.from_removal(np.eye(3), np.ones(4), keep=1)


def test_a_large_factor_is_not_formed():
    problem = ChannelSelection(factor=np.ones((1, 30_000)), keep=3)
    with pytest.raises(Unsupported, match="works on the factor"):
        problem.dense()


def test_repr_says_what_it_is():
    problem = ChannelSelection(factor=np.ones((2, 5)), keep=3, fixed=[1, -1, -1, -1, 0])
    assert repr(problem) == "ChannelSelection(n=5, factor m=2, keep=3, 2 fixed)"


@pytest.mark.parametrize("fixed", [[1, 1, 1, -1], [0, 0, 1, -1]])
@pytest.mark.parametrize("size", [1e197, 1e198, 1e199, 1e200])
def test_data_accepted_with_fixings_are_solved_with_them(size: float, fixed: list[int]):
    forms: tuple[dict[str, Any], ...] = (
        {"Q": np.full((4, 4), size)},
        {"Q": -np.full((4, 4), size), "q": np.full(4, -size), "constant": -size},
        {"factor": np.full((2, 4), np.sqrt(0.49 * size))},
    )
    for form in forms:
        try:
            problem = ChannelSelection(**form, fixed=fixed)
        except InvalidProblem as error:
            assert size > 1e198 and "rescale" in str(error)
        else:
            solution = ccsolve.solve(problem)
            assert np.isfinite(solution.objective)
            assert solution.bound <= solution.objective
