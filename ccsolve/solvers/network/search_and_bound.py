"""Greedy, curves and exchanges in turn: what ``auto`` runs."""

import itertools
import math
from collections.abc import Generator, Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.checks import whole_number
from ccsolve.problems.network_form import SINGLE
from ccsolve.problems.network_points import feasible_point, rounded
from ccsolve.solution import Solution
from ccsolve.solvers.network.curves import bounding
from ccsolve.solvers.network.exchange import kick_of, walk
from ccsolve.solvers.network.searching.diving import Diver
from ccsolve.solvers.network.searching.engine import Engine, engine_of
from ccsolve.solvers.network.searching.pool import Elites, Pool

PATIENCE, BRIEF = 20_000, 5_000
"""Of a walk, see `exchange`: after a kick, and after a dive."""

ELITES, FEWEST = 8, 6
"""Good points that are kept, and from how many on two of them are crossed."""

AFRESH, LOOSE = 0.2, 0.1
"""Shares of dives that begin afresh all the same, and of channels freed in others."""

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
    each step of `curves`, ``turns`` steps of `exchange`: from the best point, or where
    Q joins groups from where a dive from the relaxation's point ends, or one between
    two of the best points (see `searching.diving`).
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
    """Search for ever: near the relaxation's point once there is one, else by kicks."""
    if engine is None:
        engine = engine_of(problem, seed)
    rng, elites, seen = np.random.default_rng(seed), Elites(ELITES), None
    for turn in itertools.count():
        if pool.guide is not None and (engine.is_whole or pool.guide is not seen):
            seen = pool.guide
            engine.forget()
            engine.start((yield from _near(pool, elites, engine, rng)))
            yield from engine.shrunk()
            yield from engine.descended()
            # What follows reports only what is better than where it began.
            yield engine.step(math.inf)
            yield from walk(engine, turn, BRIEF, pool.prices)
            if engine.value < math.inf:
                elites.add(engine.value, engine.best())
        else:
            if pool.x is not None and pool.objective < engine.objective:
                engine.start(np.asarray(pool.x))
            engine.kicked(kick_of(turn))
            yield from walk(engine, turn, PATIENCE, pool.prices)


def _near(
    pool: Pool, elites: Elites, engine: Engine, rng: np.random.Generator
) -> Generator[Step, None, np.ndarray]:
    """Give where a dive ends: from the relaxation's point, or between two good ones.

    Between these, what they agree on stays, but for a few channels. Where Q is not
    held whole, what the relaxation's point rounds to.
    """
    guide, n = pool.guide, engine.problem.n
    assert guide is not None and pool.prices is not None
    if not engine.is_whole:
        return rounded(engine.problem, guide)
    y, free = guide, np.ones(n, dtype=bool)
    if len(elites.points) >= FEWEST and rng.random() >= AFRESH:
        one, other = elites.two(rng)
        y = 0.5 * (1.0 * one + other)
        free = (one != other) | (rng.random(n) < LOOSE)
    return (yield from Diver(engine, pool.prices).dived(y, free, rng))
