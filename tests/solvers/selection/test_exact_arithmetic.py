"""Bounds against exact rational arithmetic, on data chosen to hurt."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import ccsolve
from ccsolve import ChannelSelection, solve


def proving(problem: ChannelSelection) -> list[str]:
    """Give the methods with bounds that take the problem."""
    return [row.name for row in ccsolve.methods(problem) if row.gives_bound]


def optimum(problem: ChannelSelection) -> Fraction:
    """Give the least objective over the points that the problem accepts, exactly."""
    Q = exact_form(problem)
    values = []
    for bits in itertools.product((0, 1), repeat=problem.n):
        if problem.violation(np.array(bits)) > 0:
            continue
        kept = [i for i in range(problem.n) if bits[i]]
        linear = sum((Fraction(float(problem.q[i])) for i in kept), Fraction(0))
        pairs = sum((Q[i][j] for i in kept for j in kept), Fraction(0))
        values.append(Fraction(problem.constant) + linear + pairs)
    return min(values)


def exact_form(problem: ChannelSelection) -> list[list[Fraction]]:
    def fractions(array):
        return [[Fraction(float(value)) for value in row] for row in array]

    if problem.Q is not None:
        return fractions(problem.Q)
    assert problem.factor is not None and problem.diagonal is not None
    columns = fractions(problem.factor.T)
    Q = [
        [sum((a * b for a, b in zip(f, g, strict=True)), Fraction(0)) for g in columns]
        for f in columns
    ]
    for i, value in enumerate(problem.diagonal):
        Q[i][i] += Fraction(float(value))
    return Q


def symmetric(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a matrix: plain, whole, huge, of mixed scales, cancelling, of low rank."""
    A = rng.standard_normal((n, n))
    kind = rng.integers(6)
    if kind == 1:
        A = rng.integers(-5, 6, (n, n)) * (1 + 2.0**-52 * rng.integers(0, 2))
    elif kind == 2:
        A = np.rint(A * 2.0 ** int(rng.integers(49, 60)))
    elif kind == 3:
        A = A * 10.0 ** rng.integers(-12, 13, (n, n))
    elif kind == 4:
        A = A + 10.0 ** int(rng.integers(3, 17))
    elif kind == 5:
        A = np.outer(A[0], A[0]) / 2
    return np.tril(A) + np.tril(A, -1).T


def factored(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    rows = int(rng.integers(1, n + 3))
    factor = rng.standard_normal((rows, n)) * 10.0 ** rng.integers(-8, 9, n)
    factor = np.rint(factor) if rng.random() < 0.3 else factor
    diagonal = rng.standard_normal(n)
    if rng.random() < 0.5:
        diagonal = -np.einsum("ij,ij->j", factor, factor)
    return {"factor": factor, "diagonal": diagonal}


def scaled(data: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
    root = math.sqrt(scale)
    return {
        key: part * (root if key == "factor" else scale) for key, part in data.items()
    }


def constraints(n: int, rng: np.random.Generator) -> dict:
    fixed = rng.choice([-1, -1, 0, 1] if rng.random() < 0.4 else [-1], n)
    kept, free = int((fixed == 1).sum()), fixed == -1
    given: dict = {"fixed": fixed}
    if rng.random() < 0.7:
        given["keep"] = kept + int(rng.integers(0, free.sum() + 1))
    if rng.random() < 0.5:
        laws = (rng.random(n), rng.integers(0, 4, n) * 0.1, 10.0 ** rng.integers(-9, 9))
        cost = np.ones(n) * laws[rng.integers(3)] * 10.0 ** int(rng.choice([-12, 0, 9]))
        more = given.get("keep", kept) - kept
        least = cost[fixed == 1].sum() + np.sort(cost[free])[:more].sum()
        share = rng.choice([0.0, 0.3, 0.7])
        given |= {"cost": cost, "budget": least + share * (cost.sum() - least)}
    return given


def program(rng: np.random.Generator) -> ChannelSelection:
    n = int(rng.integers(1, 7))
    data = factored(n, rng) if rng.random() < 0.4 else {"Q": symmetric(n, rng)}
    data["q"] = rng.choice([0, 1, 1e-20, 1e8]) * rng.standard_normal(n)
    scale = float(10.0 ** rng.choice([-150, -12, 0, 0, 0, 12, 130]))
    constant = float(rng.choice([0, 0.1, 1e17, -1e-20])) * scale
    return ChannelSelection(
        **scaled(data, scale), constant=constant, **constraints(n, rng)
    )


def assert_no_bound_exceeds(problem: ChannelSelection) -> None:
    least = optimum(problem)
    for method in proving(problem):
        bound = solve(problem, method, time_limit=None, step_limit=30).bound
        assert -math.inf < bound, method
        assert Fraction(bound) <= least, f"{method} on {problem!r}: {bound!r} > {least}"


def test_no_bound_exceeds_the_exact_optimum():
    rng = np.random.default_rng(1)
    for _ in range(120):
        assert_no_bound_exceeds(program(rng))


@pytest.mark.slow
def test_no_bound_exceeds_the_exact_optimum_on_many_programs():
    rng = np.random.default_rng(2)
    for _ in range(5000):
        assert_no_bound_exceeds(program(rng))


CASES = {
    "one point left": ChannelSelection([[-0.1, 0.2], [0.2, 0.7]], [0.3, 0.1], 2, 0.1),
    "almost whole": ChannelSelection([[-1.0]], [-1e-20], constant=-2.0),
    "origin not whole": ChannelSelection(-3.0 * np.eye(1), constant=0.1),
    "a sum that rounds to a whole": ChannelSelection(
        factor=[[1.0, 2.0]], diagonal=[0.7, 0.7], q=[0.3, 0.3], keep=1
    ),
    "diagonal cancels the factor": ChannelSelection(
        factor=[[0.7, 0.3], [0.9, 0.1]], diagonal=[-1.3, -0.1], keep=1
    ),
    "fixed channels add up": ChannelSelection(
        [[-9.0, 0.1, 0.2], [0.1, 0.7, 0.3], [0.2, 0.3, 0.1]], fixed=[-1, 1, 1]
    ),
    "denormal": ChannelSelection(5e-324 * np.array([[1, -1], [-1, 3]]), keep=1),
    "squares underflow": ChannelSelection(
        1e-170 * np.array([[0.1, -0.7], [-0.7, 0.3]]), [-3e-171, 1e-170]
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_hard_cases(name: str):
    assert_no_bound_exceeds(CASES[name])


def test_data_whose_squares_overflow_give_no_bound_rather_than_no_answer():
    problem = ChannelSelection([[-9e158, -1e157], [-1e157, 2e155]], keep=1)
    for method in proving(problem):
        with np.errstate(all="ignore"):
            found = solve(problem, method, time_limit=None, step_limit=5)
        assert found.bound <= found.objective
