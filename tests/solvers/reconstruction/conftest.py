"""Oracles of the reconstruction tests."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ccsolve.problems import ReconstructionSelection

Values = Callable[..., Iterator[float]]


@pytest.fixture
def values() -> Values:
    """Give the function that scores every feasible point."""

    def every(problem: ReconstructionSelection) -> Iterator[float]:
        for kept in itertools.combinations(range(problem.n), problem.keep):
            yield problem.objective(np.isin(np.arange(problem.n), kept))

    return every


@pytest.fixture
def swaps() -> Values:
    """Give the function that scores every swap of a point."""

    def every(problem: ReconstructionSelection, x: np.ndarray) -> Iterator[float]:
        for i, j in itertools.product(np.flatnonzero(x), np.flatnonzero(~x)):
            y = x.copy()
            y[[i, j]] = False, True
            yield problem.objective(y)

    return every
