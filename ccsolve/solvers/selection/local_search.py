"""Local search: steepest descent by swaps and flips, from many starting points."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.solution import Solution
from ccsolve.solvers.selection.options import at_least, start_point
from ccsolve.solvers.selection.searching.engine import engine_for


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    starts: int = 100,
    start: Any = None,
) -> Solution:
    """Descend from a greedy point, then from random ones; a heuristic, no bound.

    Each descent makes the best of all swaps until none is better (of all flips without
    ``keep``, of both under a budget alone): an exact local optimum. Pruning by the
    largest pair term brings a move near O(n), O(n²) at worst. Factors of over 4,096
    channels are searched in windows of 1,024: there it is an optimum of windows only.

    Parameters
    ----------
    starts : number of descents.
    start : (n,) feasible point of the first descent; the better greedy one by default.

    Raises
    ------
    InvalidProblem
        For a malformed option or an infeasible start.
    """
    at_least("starts", starts, 1)
    return run(_steps(problem, seed, starts, start_point(problem, start)), limits)


def _steps(
    problem: ChannelSelection, seed: int, starts: int, start: np.ndarray | None
) -> Iterator[Step]:
    engine = engine_for(problem, seed)
    z = yield from engine.first_point(start)
    for _ in range(starts):
        yield from engine.descend(z)
        z = engine.random_point()
