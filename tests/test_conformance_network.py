"""Every method for NetworkSelection on families of small programs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsolve import NetworkSelection, pick, solve, testing
from ccsolve.problems.generate_network import FAMILIES, chain
from ccsolve.registry import Method, rows_of
from ccsolve.solution import Claim


def changed(problem: NetworkSelection, **changes: Any) -> NetworkSelection:
    return NetworkSelection(**(problem.parts() | changes))


def without_budgets(seed: int) -> NetworkSelection:
    return changed(chain([3, 4], seed), budgets=())


def one_group(seed: int) -> NetworkSelection:
    return chain([6], seed, coupled=True)


def nothing_free(seed: int) -> NetworkSelection:
    return chain([2, 3], seed, share=0.9, fixed=[1, 0, 1, 1, 0])


def with_factor(seed: int) -> NetworkSelection:
    made = chain([3, 3, 3], seed)
    factor = 0.3 * np.random.default_rng(seed).standard_normal((2, 9))
    return changed(made, factor=factor, diagonal=np.ones(9))


def everything(seed: int) -> NetworkSelection:
    """Give joined groups, tables, multiples, a fixing, and a group that may go."""
    return chain(
        [4, 5, 4],
        seed,
        coupled=True,
        tables=True,
        multiple_of=[2, 1, 2],
        min_keep=[1, 0, 1],
        fixed=[1] + [-1] * 12,
        share=0.6,
    )


PROGRAMS: dict[str, Callable[[int], NetworkSelection]] = {
    **FAMILIES,
    "without budgets": without_budgets,
    "one group": one_group,
    "nothing free": nothing_free,
    "factor": with_factor,
    "everything": everything,
}
ROWS = rows_of(NetworkSelection)
by_name = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@by_name
@pytest.mark.parametrize("family", PROGRAMS)
def test_answers_hold(row: Method, family: str):
    testing.check_answer(row.name, PROGRAMS[family](0), step_limit=12)


@by_name
@pytest.mark.parametrize("family", ["latency", "factor", "nothing free"])
def test_limits_seeds_and_callbacks_hold(row: Method, family: str):
    problem = PROGRAMS[family](3)
    testing.check_seed(row.name, problem, step_limit=10)
    testing.check_limits(row.name, problem)
    testing.check_callback(row.name, problem, step_limit=10)


@pytest.mark.slow
@by_name
@pytest.mark.parametrize("family", PROGRAMS)
def test_answers_hold_on_many_programs(row: Method, family: str):
    for seed in range(4, 12):
        testing.check_answer(row.name, PROGRAMS[family](seed))


@pytest.mark.parametrize("family", PROGRAMS)
def test_auto_is_exact_on_small_programs(family: str):
    problem = PROGRAMS[family](0)
    assert pick(problem) == "enumerate_all"
    found = solve(problem, time_limit=None)
    assert found.claim() is Claim.OPTIMAL
    assert found.objective == pytest.approx(testing.brute_force(problem)[1])


def test_auto_searches_and_bounds_larger_ones():
    problem = chain([12, 12], 0)
    assert pick(problem) == "search_and_bound"
    found = solve(problem, time_limit=20.0, gap=1e-6)
    assert found.claim() is Claim.OPTIMAL
