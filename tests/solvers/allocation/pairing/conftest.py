"""Small programs of pairs, and all their points."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from ccsolve.problems import RateAllocation
from ccsolve.solvers.allocation.pairing.program import PairProgram, from_problem

TREE = [(0, 3), (1, 3), (3, 4), (2, 4)]
CYCLE = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]


@pytest.fixture
def random_problem() -> Callable[..., RateAllocation]:
    """Give a function of the pairs, the budgets and the seed: five layers."""
    return _random


@pytest.fixture(params=range(4))
def tree_program(request: pytest.FixtureRequest) -> PairProgram:
    """Give five layers on a tree, under one to three budgets."""
    return from_problem(_random(TREE, 1 + request.param % 3, request.param))


@pytest.fixture(params=range(4))
def cyclic_program(request: pytest.FixtureRequest) -> PairProgram:
    """Give five layers on a cycle, under one to three budgets."""
    return from_problem(_random(CYCLE, 1 + request.param % 3, request.param, 0.65))


@pytest.fixture
def points_of() -> Callable[[PairProgram], list[np.ndarray]]:
    """Give a function that lists all points of a program."""
    return lambda program: [
        np.array(x) for x in itertools.product(*map(range, program.sizes))
    ]


def _random(
    edges: list[tuple[int, int]], budgets: int, seed: int, part: float = 0.5
) -> RateAllocation:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, 5)
    return RateAllocation(
        [rng.standard_normal(size) for size in sizes],
        [rng.random((size, budgets)) for size in sizes],
        np.full(budgets, part * (5 + len(edges))),
        {(a, b): rng.random((sizes[a], sizes[b], budgets)) for a, b in edges},
        pair_losses={edges[0]: rng.standard_normal(sizes[list(edges[0])])},
    )
