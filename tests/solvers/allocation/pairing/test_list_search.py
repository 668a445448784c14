import math

import numpy as np
import pytest

from ccsolve.solvers.allocation.pairing.forest import tree_of
from ccsolve.solvers.allocation.pairing.list_search import ListSearch
from ccsolve.solvers.allocation.pairing.outlook import cutoffs_of, outlook

PRICES = np.array([0.2, 0.0, 0.6])


def view_of(program, target, many=True):
    prices = PRICES[: len(program.limits)]
    cutoffs = cutoffs_of(program, prices, target, many)
    return outlook(program, tree_of(program), cutoffs)


def feasible(program, points):
    """Give (loss, point) of the points within the limits, by loss."""
    both = [(program.at(x), x) for x in points]
    kept = [(v[0], x) for v, x in both if (v[1] <= program.limits).all()]
    return sorted(kept, key=lambda pair: pair[0])


def searched(program, target, room):
    search = ListSearch(program, tree_of(program), view_of(program, target), room)
    for _ in search.run():
        pass
    return search


@pytest.mark.parametrize("many", [True, False])
def test_options_of_points_within_the_target_stay(tree_program, points_of, many):
    listed = feasible(tree_program, points_of(tree_program))
    target = listed[len(listed) // 4][0]
    possible = view_of(tree_program, target, many).possible()
    for loss, x in listed:
        if loss <= target:
            assert possible[tree_program.offsets[:-1] + x].all()


def test_options_that_break_a_budget_alone_go(tree_program, points_of):
    possible = view_of(tree_program, 1e9).possible()
    least = np.full((len(possible), len(tree_program.limits)), math.inf)
    for x in points_of(tree_program):
        taken = tree_program.offsets[:-1] + x
        least[taken] = np.minimum(least[taken], tree_program.at(x)[1])
    assert not possible[(least > tree_program.limits + 1e-9).any(axis=1)].any()


@pytest.mark.parametrize("place", [0, 5, -1])
def test_the_best_point_within_a_target_is_found(tree_program, points_of, place):
    listed = feasible(tree_program, points_of(tree_program))
    search = searched(tree_program, listed[place][0], 10**6)
    assert search.complete and search.x is not None
    assert tree_program.at(search.x)[0] == pytest.approx(listed[0][0])
    assert (tree_program.at(search.x)[1] <= tree_program.limits + 1e-9).all()


def test_nothing_is_found_below_the_best(tree_program, points_of):
    best = feasible(tree_program, points_of(tree_program))[0][0]
    search = searched(tree_program, best - 1e-6, 10**6)
    # Prices let points pass that are above the target, never below the best.
    assert search.complete
    assert search.x is None or tree_program.at(search.x)[0] >= best - 1e-9


def test_too_little_room_is_said(tree_program):
    search = searched(tree_program, 1e9, 1)
    assert not search.complete
    assert search.x is None or (search.x < tree_program.sizes).all()
