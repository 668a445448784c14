"""Greedy, curves and exchanges in turn: what ``auto`` runs."""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.checks import whole_number
from ccsolve.problems.network_form import SINGLE
from ccsolve.problems.network_points import feasible_point, rounded
from ccsolve.solution import Solution
from ccsolve.solvers.network.curves import bounding
from ccsolve.solvers.network.exchange import kick_of, walk
from ccsolve.solvers.network.searching.engine import Engine, engine_of
from ccsolve.solvers.network.searching.pool import Pool

PATIENCE, GUIDED = 20_000, 2
"""Of a walk, see `exchange`; one of so many begins at the last guide."""

_MANY = 2**31


def solve(
    problem: NetworkSelection,
    limits: Limits,
    *,
    seed: int = 0,
    turns: int | None = None,
) -> Solution:
    """Search and bound in turn; proven: the bound, as `curves` has it.

    The greedy point, but for coupled programs of thousands of channels, which begin by
    their bound; where Q is separable its descent, as `local_search` has it. Then, for
    each step of `curves`, ``turns`` steps of `exchange`: from the best point, and where
    Q joins groups every second time from what the relaxation rounds to, which is far
    better than any greedy point.
    Each part goes on from the best point that any has found: curves take its groups for
    points of theirs, and combine them anew. Under a time limit the search goes on when
    the bound can rise no more.

    Parameters
    ----------
    turns : steps of the search for each of the bound; default 4, and 1 where Q is
        separable, for there the curves end at the best point themselves.
    """
    if turns is None:
        turns = 1 if problem.form.is_separable else 4
    turns = whole_number("turns", turns, 0, _MANY)
    return run(_steps(problem, limits, seed, turns), limits)


def _steps(
    problem: NetworkSelection, limits: Limits, seed: int, turns: int
) -> Iterator[Step]:
    z = feasible_point(problem)
    pool, engine = Pool(), None
    yield from pool.watch([Step(z, problem.objective(z))])
    if problem.form.is_separable or problem.n < SINGLE:
        engine = engine_of(problem, seed)
        yield from pool.watch(engine.shrunk())
    if engine is not None and problem.form.is_separable:
        yield from pool.watch(engine.descended())
    searched = pool.watch(_searched(problem, engine, pool, seed))
    for step in pool.watch(bounding(problem, limits, seed, pool)):
        yield step
        yield from itertools.islice(searched, turns)
    if limits.time_limit < math.inf or limits.step_limit is not None:
        yield from searched


def _searched(
    problem: NetworkSelection, engine: Engine | None, pool: Pool, seed: int
) -> Iterator[Step]:
    """Walk by exchanges for ever: from the last guide and from the best of all."""
    if engine is None:
        engine = engine_of(problem, seed)
    for turn in itertools.count():
        guide = pool.guide if turn % GUIDED == 0 else None
        if guide is not None:
            pool.guide = None
            engine.forget()
            engine.start(rounded(problem, guide))
            yield from engine.shrunk()
            yield from engine.descended()
        else:
            if pool.x is not None and pool.objective < engine.objective:
                engine.start(np.asarray(pool.x))
            engine.kicked(kick_of(turn))
        yield from walk(engine, turn, PATIENCE, pool.prices)
