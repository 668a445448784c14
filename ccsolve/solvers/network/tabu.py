"""Tabu search by swaps and shifts of width that keep every budget."""

from collections.abc import Iterator

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.checks import whole_number
from ccsolve.problems.network_points import feasible_point
from ccsolve.solution import Solution
from ccsolve.solvers.network.searching.engine import Engine, engine_of

_MANY = 2**31


def solve(
    problem: NetworkSelection,
    limits: Limits,
    *,
    seed: int = 0,
    tenure: int = 8,
    patience: int = 500,
    restarts: int = 20,
) -> Solution:
    """Search from the greedy point by the best move that is not tabu; no bound.

    The moves of `local_search`: swaps within a group, steps of width, and a step down
    of one group with one up of another, all within the budgets. The best is made even
    uphill, and what moved is held. A search that stalls is followed by a descent with
    chains from the best point, then by a kick and another search. O(n + G²) a move.

    Parameters
    ----------
    tenure : moves for which a channel is held at least, twice as many at most.
    patience : moves without a better point that end a search.
    restarts : searches after the first.
    """
    tenure = whole_number("tenure", tenure, 1, _MANY)
    patience = whole_number("patience", patience, 1, _MANY)
    restarts = whole_number("restarts", restarts, 0, _MANY)
    return run(_steps(problem, seed, tenure, patience, restarts), limits)


def _steps(
    problem: NetworkSelection, seed: int, tenure: int, patience: int, restarts: int
) -> Iterator[Step]:
    z = feasible_point(problem)
    yield Step(z, problem.objective(z))
    engine = engine_of(problem, seed)
    yield from engine.shrunk()
    yield from engine.descended()
    for turn in range(restarts + 1):
        yield from search(engine, tenure, patience, kick=turn)


def search(engine: Engine, tenure: int, patience: int, kick: int) -> Iterator[Step]:
    """Search once from the best point, kicked where ``kick`` > 0, then descend."""
    if kick:
        engine.kicked(1 + kick % 5)
    else:
        engine.start(engine.best())
    yield from engine.walked(tenure, patience)
    engine.start(engine.best())
    yield from engine.descended()
