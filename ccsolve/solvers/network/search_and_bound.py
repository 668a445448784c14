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
from ccsolve.solvers.network.searching.beams import Beams, Guide
from ccsolve.solvers.network.searching.engine import Engine, engine_of
from ccsolve.solvers.network.searching.pool import Elites, Pool

PATIENCE, BRIEF = 20_000, 300
"""Of a walk, see `exchange`: after a kick, and where beams search, after either."""

KEPT_NEAR, KEPT_BETWEEN = 4_096, 16_384
"""Partial points of beams: near a relaxed point, and between good ones. The first give
what the others choose between: better more of them than better ones.
"""

ELITES = 8
"""Good points that are kept; once there are so many, beams open what they dispute."""

AFRESH, LOOSE = 0.05, 0.6
"""Shares of beams that begin afresh all the same, and of what is opened in others."""

NEAR, STRAYING = 0.1, 5.0
"""How far from the guide both open channels, see `Beams.nearest`."""

POLISHED = 0.02
"""How far above the worst good point, in its way from the relaxed one, points are still
polished.
"""

TURNS = (4, 256)
"""Steps of the search for each of the bound where Q joins groups: least and most."""

STALE = 10
"""Ends of beams in a row that are no better than the good points, before all of these
but the best are dropped.
"""

GUIDED, ROUGH = 8, (4, 12)
"""Turns with one guide, and the rounds that the next one has: from, and below."""

REPEATS = 2
"""Beams in a row that end at good points that are known, before a kick."""

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
    each step of `curves`, ``turns`` steps of the search. Where Q joins groups that is
    beams near the relaxation's point, or where the best points do not agree (see
    `searching.beams`), brief walks from what is promising; else `exchange` from the
    best point. Each part goes on from the best point that any has found: curves take
    its groups for points of theirs, and combine them anew. Under a time limit the
    search goes on when the bound can rise no more.

    Parameters
    ----------
    turns : steps of the search for each of the bound; by default (n / 64)², from 4 to
        256, for a step of the bound takes O(n³), one of the search much less; 1 where Q
        is separable, for there the curves end at the best point themselves.
    """
    if turns is None:
        turns = 1 if problem.form.is_separable else _turns_of(problem.n)
    turns = whole_number("turns", turns, 0, _MANY)
    return run(_steps(problem, limits, seed, turns), limits)


def _turns_of(n: int) -> int:
    """Give steps of the search for each of the bound, for n channels."""
    return int(np.clip((n / 64) ** 2, *TURNS))


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
        if problem.form.is_separable or pool.guide is not None:
            yield from itertools.islice(searched, turns)
    if limits.time_limit < math.inf or limits.step_limit is not None:
        yield from searched


def _searched(
    problem: NetworkSelection, engine: Engine | None, pool: Pool, seed: int
) -> Iterator[Step]:
    """Search for ever: near the relaxation's point once there is one, and by kicks."""
    if engine is None:
        engine = engine_of(problem, seed)
    rng = np.random.default_rng(seed)
    if engine.is_whole and not problem.form.is_separable:
        yield from _by_beams(pool, engine, rng)
    else:
        yield from _by_walks(pool, engine, rng)


def _by_walks(pool: Pool, engine: Engine, rng: np.random.Generator) -> Iterator[Step]:
    """Search by kicks; where Q joins groups, in turn from where a guide rounds to."""
    elites = Elites(ELITES)
    for turn in itertools.count():
        if turn % GUIDED or pool.split is None:
            yield from _kicked(pool, engine, turn, PATIENCE)
            continue
        yield from _guided_anew(pool, turn, rng)
        engine.forget()
        engine.start(rounded(engine.problem, np.asarray(pool.guide)))
        yield from _polished(pool, elites, engine, turn)


def _guided_anew(pool: Pool, turn: int, rng: np.random.Generator) -> Iterator[Step]:
    """Settle the relaxation again, from the best point on, every `GUIDED` turns.

    It is left after a few rounds, not always as many: what beams open, and the widths
    at which they price the budgets, vary.
    """
    if turn and turn % GUIDED == 0:
        assert pool.split is not None
        yield from pool.guided(pool.split, int(rng.integers(*ROUGH)))


def _by_beams(pool: Pool, engine: Engine, rng: np.random.Generator) -> Iterator[Step]:
    """Search by beams, between good points or near the relaxation's.

    Near this after a beam that ended at a good point that was known; after `REPEATS` of
    them in a row, a kick. After `STALE` that changed none of the good points, these are
    dropped but for the best, and others sought. Beams aim at the most of each budget
    that an end of theirs, or the best point, has spent.
    """
    elites, beams, repeats = Elites(ELITES), Beams(engine), 0
    aims = np.zeros(len(engine.problem.limits))
    for turn in itertools.count():
        yield from _guided_anew(pool, turn, rng)
        if repeats == REPEATS:
            yield from _kicked(pool, engine, turn, BRIEF)
            repeats = 0
            continue
        between = repeats == 0 and elites.is_full and rng.random() >= AFRESH
        good = np.array([z for _, z in elites.points]) if between else None
        aims = np.maximum(aims, engine.problem.spent(np.asarray(pool.x)))
        start = yield from _beamed(pool, beams, good, aims, rng)
        engine.forget()
        engine.start(start)
        is_new = yield from _polished(pool, elites, engine, turn)
        if engine.value < math.inf:
            aims = np.maximum(aims, engine.problem.spent(engine.best()))
        repeats = 0 if is_new else repeats + 1
        if elites.stale >= STALE:
            elites.forget()


def _kicked(pool: Pool, engine: Engine, turn: int, patience: int) -> Iterator[Step]:
    """Walk on from the best point, kicked."""
    if pool.x is not None and pool.objective < engine.objective:
        engine.start(np.asarray(pool.x))
    engine.kicked(kick_of(turn))
    yield from walk(engine, turn, patience, pool.prices)


def _polished(
    pool: Pool, elites: Elites, engine: Engine, turn: int
) -> Generator[Step, None, bool]:
    """Shrink to the budgets; descend if that is promising, and walk if that is good.

    Says whether the end is a point that the good ones did not hold.
    """
    yield from engine.shrunk()
    if engine.value < elites.bar(POLISHED, pool.relaxed):
        yield from engine.descended()
    # What follows reports only what is better than where it began.
    yield engine.step(math.inf)
    if engine.value < elites.bar(0.0, pool.relaxed):
        yield from walk(engine, turn, BRIEF, pool.prices)
    return engine.value < math.inf and elites.add(engine.value, engine.best())


def _beamed(
    pool: Pool,
    beams: Beams,
    good: np.ndarray | None,
    aims: np.ndarray,
    rng: np.random.Generator,
) -> Generator[Step, None, np.ndarray]:
    """Give where a beam ends: near the relaxation's point, or between ``good`` ones.

    What all these (K, n) agree on stays, but for channels that are drawn, sooner those
    that are open in the relaxed point or next to it.
    """
    assert pool.guide is not None and pool.prices is not None
    guide = Guide(pool.guide, pool.prices, pool.relaxed, aims)
    excess = pool.objective - beams.engine.problem.constant - guide.value
    if good is None:
        y, kept, opened = guide.point, KEPT_NEAR, beams.nearest(guide, 1.0, NEAR, rng)
    else:
        y, kept = good.mean(axis=0), KEPT_BETWEEN
        disputed = good.any(axis=0) & ~good.all(axis=0)
        opened = disputed | beams.nearest(guide, LOOSE, STRAYING, rng)
    return (yield from beams.beamed(y, opened, guide, excess, kept, rng))
