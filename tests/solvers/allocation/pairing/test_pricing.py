import numpy as np
import pytest

from ccsolve.solvers.allocation.pairing.forest import depth, tree_of
from ccsolve.solvers.allocation.pairing.pricing import (
    evaluate,
    marginals,
    slack,
    swept,
)


def prices_of(program):
    return np.random.default_rng(7).random(len(program.limits))


def test_the_bound_is_the_least_lagrangian_but_for_rounding(tree_program, points_of):
    prices = prices_of(tree_program)
    found = evaluate(tree_program, tree_of(tree_program), prices)
    values = []
    for x in points_of(tree_program):
        loss, spent = tree_program.at(x)
        values.append(loss + prices @ (spent - tree_program.limits))
    assert found.bound <= min(values) <= found.bound + 1e-11
    value = found.loss + prices @ (found.spent - tree_program.limits)
    assert value == pytest.approx(min(values))


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_marginals_are_the_least_with_each_option(tree_program, points_of, weight):
    prices, tree = prices_of(tree_program), tree_of(tree_program)
    through = marginals(tree, swept(tree_program, tree, weight, prices))
    expected = np.full(len(through), np.inf)
    for x in points_of(tree_program):
        loss, spent = tree_program.at(x)
        taken = tree_program.offsets[:-1] + x
        value = weight * loss + prices @ spent
        expected[taken] = np.minimum(expected[taken], value)
    rounding = slack(tree_program, weight, prices, depth(tree) + 1)
    assert 0 < rounding < 1e-10
    np.testing.assert_allclose(through, expected, rtol=0, atol=rounding)
