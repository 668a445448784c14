"""Every method of the registry on every family of programs.

A new row is tested before its author writes a test. The table of option trials must name
every option of every method: an option that changes nothing fails here.
"""

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.problems.generate import FAMILIES
from ccsolve.registry import TABLE

NAMES = [row.name for row in TABLE]
METHODS = {row.name: row for row in TABLE}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", NAMES)
def test_answers_hold(method: str, family: str):
    for n, seed in ((4, 0), (9, 1), (10, 2)):
        testing.check_answer(method, testing.problem(family, n, seed))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", NAMES)
def test_limits_seeds_and_callbacks_hold(method: str, family: str):
    testing.check_method(method, testing.problem(family, 9, 3))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", NAMES)
def test_answers_hold_on_many_programs(method: str, family: str):
    for seed in range(10 if method == "milp" else 100):
        for n in (4, 5, 8, 11):
            testing.check_answer(method, testing.problem(family, n, seed))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("method", NAMES)
def test_the_smallest_sizes(method: str, n: int):
    rng = np.random.default_rng(n)
    A = rng.standard_normal((n, n))
    for keep in (None, *range(n + 1)):
        testing.check_answer(method, ChannelSelection(A + A.T, keep=keep))


LARGER = [row.name for row in TABLE if row.max_size is None]


@pytest.mark.parametrize("family", ["cancelling", "factored", "budgeted", "k_cluster"])
@pytest.mark.parametrize("method", LARGER)
def test_larger_programs_and_the_orders_of_bounds(method: str, family: str):
    solution = testing.check_answer(method, testing.problem(family, 150, 0))
    assert solution.objective < np.inf
