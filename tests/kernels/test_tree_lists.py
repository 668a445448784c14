import itertools

import numpy as np
import pytest

from ccsolve.kernels.tree_lists import Cutoffs, Partial, combine, reach, shift

EVERY = 10**9


def cutoffs_of(budgets, room, seed=0):
    rng = np.random.default_rng(seed)
    prices = rng.random((3, budgets))
    return Cutoffs(np.array([1.0, 1.0, 0.0]), prices, np.array([room, room + 0.2, 2.0]))


def empty(size, budgets):
    counts = (np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64))
    return Partial(np.empty(size), np.empty((size, budgets)), *counts)


def random_list(count, budgets, tests, seed):
    rng = np.random.default_rng(seed)
    loss = np.round(8 * rng.random(count)) / 8
    cost = np.round(8 * rng.random((count, budgets))) / 8
    order = np.argsort(tests.weights[0] * loss + cost @ tests.prices[0])
    none = np.full(count, -1)
    return Partial(loss[order], cost[order], none, none)


def passing(rows, tests):
    """Give the rows (loss, costs) that pass all tests."""
    left = [rows @ np.concatenate([[w], p]) for w, p in zip(*tests[:2], strict=True)]
    return rows[(np.array(left).T <= tests.room).all(axis=1)]


def unbeaten(rows):
    """Give the set of rows that no other row is at least as good as throughout."""
    found = {tuple(row) for row in np.round(rows, 9)}
    return {
        row
        for row in found
        if not any(other != row and all(np.less_equal(other, row)) for other in found)
    }


def as_set(part, count):
    return {
        tuple(np.round([loss, *cost], 9))
        for loss, cost in zip(part.loss[:count], part.cost[:count], strict=True)
    }


@pytest.mark.parametrize("budgets", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_combined_are_the_unbeaten_sums_that_pass(budgets, seed):
    tests = cutoffs_of(budgets, 2.0)
    one = random_list(12, budgets, tests, seed)
    other = random_list(9, budgets, tests, seed + 50)
    most, sums = reach(one, other, tests, EVERY)
    part = empty(int(sums) + 1, budgets)
    count = combine(one, other, tests, EVERY, most, part)
    rows = [
        [one.loss[s] + other.loss[t], *(one.cost[s] + other.cost[t])]
        for s, t in itertools.product(range(12), range(9))
    ]
    assert most == tests.room[0]
    assert as_set(part, count) == unbeaten(passing(np.array(rows), tests))
    first, second = part.first[:count], part.second[:count]
    np.testing.assert_array_equal(
        part.loss[:count], one.loss[first] + other.loss[second]
    )
    value = part.loss[:count] + part.cost[:count] @ tests.prices[0]
    assert (np.diff(value) >= -1e-12).all()


@pytest.mark.parametrize("budgets", [1, 3])
def test_shifted_are_the_unbeaten_with_their_entry(budgets):
    tests = cutoffs_of(budgets, 1.8)
    below = random_list(10, budgets, tests, 3)
    rng, starts = np.random.default_rng(4), np.array([0, 4, 4, 10])
    loss, cost = rng.random(3), rng.random((3, budgets))
    part = empty(11, budgets)
    count = shift(below, starts, loss, cost, tests, EVERY, part)
    option = np.repeat(np.arange(3), np.diff(starts))
    rows = np.column_stack([below.loss + loss[option], below.cost + cost[option]])
    assert as_set(part, count) == unbeaten(passing(rows, tests))
    for place, found in zip(part.first[:count], part.loss[:count], strict=True):
        assert found == below.loss[place] + loss[option[place]]


@pytest.mark.parametrize("room", [1, 5, 40])
def test_too_little_room_keeps_the_least_sums(room):
    tests = cutoffs_of(2, 2.0)
    one, other = (random_list(10, 2, tests, seed) for seed in (5, 6))
    most, sums = reach(one, other, tests, room)
    assert sums <= room and most < tests.room[0]
    part = empty(int(sums) + 1, 2)
    count = combine(one, other, tests, EVERY, most, part)
    assert count <= room
    assert (
        part.loss[:count] + part.cost[:count] @ tests.prices[0] <= most + 1e-12
    ).all()


def test_empty_lists_have_no_sums():
    tests = cutoffs_of(1, 2.0)
    one, nothing = random_list(3, 1, tests, 0), empty(0, 1)
    most, sums = reach(one, nothing, tests, 10)
    assert (most, sums) == (tests.room[0], 0)
    assert combine(one, nothing, tests, 10, most, empty(1, 1)) == 0
