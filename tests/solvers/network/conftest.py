"""Networks that the solvers' tests share."""

from typing import Any

import numpy as np
import pytest

from ccsolve import NetworkSelection
from ccsolve.problems.generate_network import chain


@pytest.fixture
def wide() -> NetworkSelection:
    """Give a separable chain with groups too large to enumerate."""
    return chain([22, 4, 20], 0)


@pytest.fixture
def coupled() -> NetworkSelection:
    """Give a coupled chain."""
    return chain([8, 6, 8], 1, coupled=True)


def moved(problem: NetworkSelection, rng: np.random.Generator) -> Any:
    """Give a random point, its widths on the ladders."""
    z = np.zeros(problem.n, dtype=bool)
    for own, ladder in zip(problem.members, problem.widths, strict=True):
        z[rng.permutation(own)[: rng.choice(ladder)]] = True
    return z
