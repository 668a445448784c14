"""Fixed channels are taken out and come back, with the same objectives."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from ccsolve import ChannelSelection
from ccsolve.reductions.fixings import fix_variables


def random_problem(seed: int, *, factored: bool) -> ChannelSelection:
    rng = np.random.default_rng(seed)
    n = 8
    F = rng.standard_normal((3, n))
    d = rng.standard_normal(n)
    form = {"factor": F, "diagonal": d} if factored else {"Q": F.T @ F + np.diag(d)}
    fixed = rng.integers(-1, 2, n)
    return ChannelSelection(
        **form,
        q=rng.standard_normal(n),
        constant=0.7,
        keep=int((fixed == 1).sum() + (fixed == -1).sum() // 2),
        cost=rng.integers(0, 5, n),
        budget=40.0,
        fixed=fixed,
    )


@pytest.mark.parametrize("factored", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_round_trip(seed: int, factored: bool):
    problem = random_problem(seed, factored=factored)
    smaller, lift = fix_variables(problem)
    assert smaller.fixed is None
    assert problem.fixed is not None
    assert smaller.n == (problem.fixed == -1).sum()
    for bits in itertools.product((False, True), repeat=smaller.n):
        z = np.array(bits, dtype=bool)
        whole = lift(z)
        assert problem.objective(whole) == pytest.approx(
            smaller.objective(z), abs=1e-10
        )
        assert (problem.violation(whole) == 0) == (smaller.violation(z) == 0)


def test_the_budgets_slack_comes_along():
    # The dear fixed channel gives the slack, and its rounding needs it.
    cost, fixed = np.array([1e6 + 0.1, 0.3, 0.3]), np.array([1, -1, -1])
    problem = ChannelSelection(
        -np.eye(3), keep=2, cost=cost, budget=1e6 + 0.4, fixed=fixed
    )
    smaller, _ = fix_variables(problem)
    assert smaller.violation(np.array([True, False])) == 0
    # A dear channel fixed out widens what the original accepts, by rounding alone.
    cost, fixed = np.array([1e12, 1.0, 1.0]), np.array([0, -1, -1])
    problem = ChannelSelection(-np.eye(3), cost=cost, budget=1.5, fixed=fixed)
    assert problem.violation(np.array([0, 1, 1])) == 0
    smaller, _ = fix_variables(problem)
    assert smaller.violation(np.array([True, True])) == 0


def exact_value(problem: ChannelSelection, z: np.ndarray) -> Fraction:
    """Give the objective of a dense problem in rational arithmetic."""
    assert problem.Q is not None
    kept = np.flatnonzero(z)
    terms = [problem.constant, *problem.q[kept], *problem.Q[np.ix_(kept, kept)].flat]
    return sum((Fraction(float(term)) for term in terms), Fraction(0))


def test_rounding_never_raises_an_objective():
    rng = np.random.default_rng(5)
    for _ in range(100):
        A, fixed = rng.standard_normal((6, 6)), rng.choice([-1, 0, 1], 6)
        problem = ChannelSelection(A + A.T, A[0], constant=A[0, 1], fixed=fixed)
        smaller, lift = fix_variables(problem)
        for bits in itertools.product((False, True), repeat=smaller.n):
            z = np.array(bits, dtype=bool)
            whole = exact_value(problem, lift(z))
            assert exact_value(smaller, z) <= whole
            assert whole - exact_value(smaller, z) <= 1e-12


def test_whole_data_stay_whole():
    Q = np.array([[1.0, 2.0, -3.0], [2.0, 0.0, 5.0], [-3.0, 5.0, 1.0]])
    problem = ChannelSelection(Q, constant=7.0, fixed=[1, -1, -1])
    smaller, _ = fix_variables(problem)
    assert smaller.constant == 8.0
    factor = np.array([[1.0, 2.0, -3.0]])
    problem = ChannelSelection(factor=factor, constant=0.5, fixed=[1, -1, -1])
    assert fix_variables(problem)[0].constant == 1.5


def test_nothing_fixed_is_nothing_done():
    problem = ChannelSelection(np.eye(3), keep=1)
    smaller, lift = fix_variables(problem)
    z = np.array([True, False, False])
    assert smaller is problem
    assert lift(z) is z
