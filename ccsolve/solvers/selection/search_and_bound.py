"""The convex relaxation's bound, then tabu search: what ``auto`` runs."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.solution import Solution
from ccsolve.solvers.selection.convex_relaxation import relax
from ccsolve.solvers.selection.options import at_least
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.rounding import first_step
from ccsolve.solvers.selection.searching.best import Best
from ccsolve.solvers.selection.searching.engine import engine_for
from ccsolve.solvers.selection.searching.moves import TabuSettings
from ccsolve.solvers.selection.searching.population import PopulationSettings, evolve

SHARE = 0.75
"""Part of the time limit that the relaxation may use; it seldom needs it."""


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    patience: int | None = None,
) -> Solution:
    """Bound the program by `convex_relaxation`, and search it by `tabu` with the rest.

    The relaxation comes first, in three quarters of the time at most; its rounding and
    the greedy point are improved by swaps (the greedy one is left out where Q is too
    large to form), and tabu search goes on from the better until the gap is closed or a
    limit is met. Proven: the bound. Heuristic: the point.

    Parameters
    ----------
    patience : steps of the search without a better point after which to end; None uses
        the time given, or searches three populations where no limit is set.
    """
    if patience is not None:
        at_least("patience", patience, 1)
    return run(_steps(problem, limits, seed, patience), limits)


def _steps(
    problem: ChannelSelection, limits: Limits, seed: int, patience: int | None
) -> Iterator[Step]:
    best = Best()
    form = plain_form(problem)
    yield best.seen(first_step(problem, form))
    engine = engine_for(problem, seed)
    part = replace(limits, time_limit=SHARE * limits.time_limit)
    yield from best.watch(relax(engine, form, part, roundings=1))
    if engine.program is not None:
        z = yield from best.watch(engine.first_point())
        yield from best.watch(engine.descend(z))
    assert best.x is not None
    endless = patience is not None or _ends(limits)
    settings = PopulationSettings(restarts=None if endless else 3)
    yield from _patient(evolve(engine, best.x, TabuSettings(), settings), patience)


def _ends(limits: Limits) -> bool:
    return limits.time_limit < math.inf or limits.step_limit is not None


def _patient(steps: Iterable[Step], patience: int | None) -> Iterator[Step]:
    """Cut a search after ``patience`` steps in a row without a better point."""
    fruitless = 0
    for step in steps:
        yield step
        fruitless = fruitless + 1 if step.x is None else 0
        if fruitless == patience:
            return
