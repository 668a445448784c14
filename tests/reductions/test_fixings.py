"""Fixed channels are taken out and come back, with the same objectives."""

import itertools

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


def test_nothing_fixed_is_nothing_done():
    problem = ChannelSelection(np.eye(3), keep=1)
    smaller, lift = fix_variables(problem)
    z = np.array([True, False, False])
    assert smaller is problem
    assert lift(z) is z
