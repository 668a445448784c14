"""Exchanges: a long tabu walk of steps down, and of what then fits back in."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.checks import whole_number
from ccsolve.problems.network_points import feasible_point
from ccsolve.solution import Solution
from ccsolve.solvers.network.searching.engine import Engine, engine_of

WALKS = ((2, 8), (2, 4), (3, 8), (2, 12), (4, 8))
"""Steps down of a move at most, and moves that a channel is held for: walks in turn.

No pair is the best on every network; in turn they are, on each, nearly as good.
"""

_MANY = 2**31


def solve(
    problem: NetworkSelection,
    limits: Limits,
    *,
    seed: int = 0,
    patience: int = 5_000,
    restarts: int = 20,
) -> Solution:
    """Walk from the descent of the greedy point, then from kicks; no bound.

    A move takes one to four steps of width down, each the one that adds least beside
    what the costs it saves are worth, then steps up as long as one fits and gains: the
    second half is chosen knowing the first, so that what any two channels have to do
    with each other counts in full. What moved is held for a random number of moves. A
    walk that stalls is followed by the descent of `local_search` from its best point,
    then by a kick and another walk. O(n + B·G) a step.

    Parameters
    ----------
    patience : moves without a better point that end a walk.
    restarts : walks after the first.
    """
    patience = whole_number("patience", patience, 1, _MANY)
    restarts = whole_number("restarts", restarts, 0, _MANY)
    return run(_steps(problem, seed, patience, restarts), limits)


def _steps(
    problem: NetworkSelection, seed: int, patience: int, restarts: int
) -> Iterator[Step]:
    z = feasible_point(problem)
    yield Step(z, problem.objective(z))
    engine = engine_of(problem, seed)
    yield from engine.shrunk()
    yield from engine.descended()
    for turn in range(restarts + 1):
        if turn:
            engine.kicked(kick_of(turn))
        yield from walk(engine, turn, patience)


def kick_of(turn: int) -> int:
    """Give the groups that a kick changes: two to eight in turn."""
    return 2 + turn % 7


def walk(
    engine: Engine, turn: int, patience: int, prices: np.ndarray | None = None
) -> Iterator[Step]:
    """Walk once from where the search stands, then descend from the best point.

    ``prices`` (B,) are of the budgets; the search's own without.
    """
    drops, tenure = WALKS[turn % len(WALKS)]
    yield from engine.exchanged(drops, tenure, patience, prices)
    engine.start(engine.best())
    yield from engine.descended()
