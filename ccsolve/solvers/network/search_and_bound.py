"""Greedy, curves and tabu in turn: what ``auto`` runs."""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.checks import whole_number
from ccsolve.problems.network_points import feasible_point, rounded
from ccsolve.solution import Solution
from ccsolve.solvers.network.curves import bounding
from ccsolve.solvers.network.searching.engine import Engine, engine_of
from ccsolve.solvers.network.searching.pool import Pool
from ccsolve.solvers.network.tabu import search

TENURE, PATIENCE = 8, 500
"""Of the tabu search; see `tabu`."""

_MANY = 2**31


def solve(
    problem: NetworkSelection, limits: Limits, *, seed: int = 0, turns: int = 4
) -> Solution:
    """Search and bound in turn; proven: the bound, as `curves` has it.

    The greedy point and its descent, as `local_search` has it; then, for each step of
    `curves`, ``turns`` steps of `tabu`: from the best point, and where Q joins groups
    from what the relaxation rounds to, which is far better than any greedy point.
    Each part goes on from the best point that any has found: curves take its groups for
    points of theirs, and combine them anew. Under a time limit the search goes on when
    the bound can rise no more.

    Parameters
    ----------
    turns : steps of the search for each of the bound.
    """
    turns = whole_number("turns", turns, 0, _MANY)
    return run(_steps(problem, limits, seed, turns), limits)


def _steps(
    problem: NetworkSelection, limits: Limits, seed: int, turns: int
) -> Iterator[Step]:
    z = feasible_point(problem)
    pool = Pool()
    yield from pool.watch([Step(z, problem.objective(z))])
    engine = engine_of(problem, seed)
    yield from pool.watch(engine.shrunk())
    yield from pool.watch(engine.descended())
    searched = pool.watch(_searched(engine, pool))
    for step in pool.watch(bounding(problem, limits, seed, pool)):
        yield step
        yield from itertools.islice(searched, turns)
    if limits.time_limit < math.inf or limits.step_limit is not None:
        yield from searched


def _searched(engine: Engine, pool: Pool) -> Iterator[Step]:
    """Search by tabu for ever, from the last guide or the best point of all."""
    for turn in itertools.count():
        guide, pool.guide = pool.guide, None
        if guide is not None:
            engine.forget()
            engine.start(rounded(engine.problem, guide))
            yield from engine.shrunk()
            yield from engine.descended()
        elif pool.x is not None and pool.objective < engine.objective:
            engine.start(np.asarray(pool.x))
        kick = 0 if guide is not None else turn
        yield from search(engine, TENURE, PATIENCE, kick=kick)
