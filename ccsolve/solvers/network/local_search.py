"""Local search: swaps, shifts of width and chains, from kicks of the best point."""

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
    restarts: int = 20,
    kick: int = 4,
) -> Solution:
    """Descend from the greedy point, and again from random kicks of the best; no bound.

    Moves that keep every budget: a swap of two channels of a group; a step of a group's
    width (``multiple_of`` channels) where it fits; a step down of one group with one up
    of another. Where none gains, chains: a step up is forced and other groups shrink,
    the least loss per cost first, until the budgets hold, or a step down is forced; and
    what then fits is filled up. All gains are exact and kept up to date, O(n) a move.

    Parameters
    ----------
    restarts : kicks, each followed by a descent.
    kick : groups that a kick changes, by a random swap or a step down.
    """
    restarts = whole_number("restarts", restarts, 0, _MANY)
    kick = whole_number("kick", kick, 1, _MANY)
    return run(_steps(problem, seed, restarts, kick), limits)


def _steps(
    problem: NetworkSelection, seed: int, restarts: int, kick: int
) -> Iterator[Step]:
    z = feasible_point(problem)
    yield Step(z, problem.objective(z))
    engine = engine_of(problem, seed)
    yield from engine.shrunk()
    yield from rounds(engine, restarts, kick)


def rounds(engine: Engine, restarts: int, kick: int) -> Iterator[Step]:
    """Descend, and after each kick again."""
    yield from engine.descended()
    for _ in range(restarts):
        engine.kicked(kick)
        yield from engine.descended()
