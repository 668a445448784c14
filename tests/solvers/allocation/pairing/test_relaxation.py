import numpy as np
import pytest

from ccsolve.solvers.allocation.pairing.program import restricted
from ccsolve.solvers.allocation.pairing.relaxation import relaxation_of


def least_with(program, prices, points):
    """Give the least Lagrangian of the points with each option."""
    least = np.full(len(program.losses), np.inf)
    for x in points:
        loss, spent = program.at(x)
        value = loss + prices @ (spent - program.limits)
        taken = program.offsets[:-1] + x
        least[taken] = np.minimum(least[taken], value)
    return least


def test_bounds_hold_at_any_number_of_passes(cyclic_program, points_of):
    prices = np.random.default_rng(1).random(len(cyclic_program.limits))
    least = least_with(cyclic_program, prices, points_of(cyclic_program))
    relaxation = relaxation_of(cyclic_program)
    for passes in (0, 1, 1, 5, 50):
        found = relaxation.bounded(prices, passes)
        assert found.bound <= least.min()
        assert (found.least_with <= least).all()
        assert (found.x < cyclic_program.sizes).all()


def test_on_a_tree_the_bound_is_the_least_lagrangian(tree_program, points_of):
    prices = np.full(len(tree_program.limits), 0.3)
    least = least_with(tree_program, prices, points_of(tree_program))
    found = relaxation_of(tree_program).bounded(prices, 100)
    assert found.bound == pytest.approx(least.min(), abs=1e-9)


def test_shifts_are_carried_to_the_options_left(cyclic_program, points_of):
    prices = np.full(len(cyclic_program.limits), 0.3)
    relaxation = relaxation_of(cyclic_program)
    before = relaxation.bounded(prices, 20)
    alive = np.ones(len(cyclic_program.losses), dtype=bool)
    alive[cyclic_program.offsets[:2]] = False
    part = restricted(cyclic_program, alive)
    after = relaxation.carried_to(part, alive).bounded(prices, 0)
    least = least_with(part, prices, points_of(part))
    assert after.bound <= least.min() and (after.least_with <= least).all()
    # The first options of two layers went, and with one their pair may have; all other
    # entries are where they were, and the least of fewer entries is no lower.
    if len(part.edges) == len(cyclic_program.edges):
        assert after.bound >= before.bound - 1e-9
