import numpy as np
import pytest
import scipy.optimize

from ccsolve.solvers.allocation.pairing.ascent import maximise
from ccsolve.solvers.allocation.pairing.forest import tree_of
from ccsolve.solvers.allocation.pairing.pricing import evaluate


def ascended(program):
    tree, tried = tree_of(program), []

    def found_at(prices):
        tried.append(prices)
        return evaluate(program, tree, prices)

    ascent = maximise(program, found_at, np.zeros(len(program.limits)), 200)
    while True:
        try:
            next(ascent)
        except StopIteration as end:
            return end.value, tried


def highest(program, points):
    """Give the dual's maximum: a linear program over the cuts of all points."""
    both = [program.at(x) for x in points]
    slopes = np.array([spent - program.limits for _, spent in both])
    result = scipy.optimize.linprog(
        np.concatenate([[-1.0], np.zeros(slopes.shape[1])]),
        A_ub=np.hstack([np.ones((len(both), 1)), -slopes]),
        b_ub=[loss for loss, _ in both],
        bounds=[(None, None), *[(0, None)] * slopes.shape[1]],
    )
    return -result.fun


def test_the_best_prices_are_those_of_all_cuts(tree_program, points_of):
    best, tried = ascended(tree_program)
    expected = highest(tree_program, points_of(tree_program))
    assert best.bound == pytest.approx(expected, rel=1e-7, abs=1e-8)
    assert all((prices >= 0).all() for prices in tried)
    assert len(tried) < 100
