"""Steps of the semidefinite methods: bounds as they rise, and points rounded from X."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection import convex_relaxation
from ccsolve.solvers.selection.relaxing import low_rank
from ccsolve.solvers.selection.relaxing.admm import Ascent, Settings, ascend
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.lattice import Lattice, lattice_of
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.projection import FOLLOWED_FROM
from ccsolve.solvers.selection.relaxing.rounding import (
    first_step,
    nearest_point,
    prices,
)
from ccsolve.solvers.selection.searching.engine import Engine, engine_for

DENSE_CHANNELS = 600
"""Largest n for an eigen-decomposition in every step: 40 ms there, growing as n³."""

START_SECONDS, STEP_SECONDS = 0.02, 1.2e-9
"""Seconds until the first bound: 30 steps of descent, and per n³ a proof and a step."""

CREDIBLE = 1e-3
"""Residual below which the value at X says something about the relaxation's."""

SETTLED = 1e-9
"""Residual below which rounding is what is left."""

LEAST_RISE, STALE = 0.02, 15
"""Part of what the bound lacks by which it must rise within that many checks; more
where the tolerance is larger."""

LEADING = 4
"""Points rounded along leading directions before any is drawn."""


@dataclass(frozen=True)
class Accuracy:
    """When to end, and how many points to round at the end.

    Attributes
    ----------
    tolerance : relative gap between the relaxation's value and the bound.
    roundings : points rounded from the last X.
    """

    tolerance: float
    roundings: int


def relax(
    problem: ChannelSelection,
    limits: Limits,
    settings: Settings,
    accuracy: Accuracy,
    seed: int,
) -> Iterator[Step]:
    """Give the bounds of the doubly nonnegative relaxation as they rise, and points.

    Points are rounded from X at the first check, at every doubling of their number and
    at the end. Programs of more than `DENSE_CHANNELS` channels go to the low-rank
    descent, without cuts of three channels.
    """
    form = plain_form(problem)
    yield first_step(problem, form)
    engine = engine_for(problem, seed)
    if problem.n > DENSE_CHANNELS:
        yield from low_rank.relax(
            engine,
            limits,
            nonnegative=True,
            tolerance=accuracy.tolerance,
            roundings=accuracy.roundings,
        )
    elif START_SECONDS + STEP_SECONDS * problem.n**3 <= limits.remaining():
        yield from _ascended(engine, settings, accuracy)
    else:
        z = yield from engine.first_point()
        yield from engine.descend(z)
        yield from convex_relaxation.relax(engine, form, limits, roundings=1)


def _ascended(engine: Engine, settings: Settings, accuracy: Accuracy) -> Iterator[Step]:
    program, lattice = lift(engine.problem), lattice_of(engine.problem)
    last, progress = None, _Progress()
    if program.n > FOLLOWED_FROM:
        settings = replace(settings, check=2 * settings.check)
    for ascent in ascend(program, settings):
        if ascent is last:
            yield Step()
            continue
        last, progress = ascent, progress.after(ascent, accuracy.tolerance)
        yield _step(engine.problem, program, ascent, lattice)
        if progress.checks & (progress.checks - 1) == 0:
            yield from _descents(engine, program, ascent.X, 1 + (progress.checks > 1))
        if _is_closed(ascent, lattice, accuracy.tolerance) or progress.is_over:
            break
    assert last is not None
    yield from _descents(engine, program, last.X, accuracy.roundings)


class _Progress(NamedTuple):
    """Checks so far, and the bound when it last rose by enough."""

    checks: int = 0
    bound: float = -math.inf
    at: int = 0

    def after(self, ascent: Ascent, tolerance: float) -> "_Progress":
        """Count a check."""
        lacks = abs(ascent.value - ascent.bound)
        rise = max(LEAST_RISE * lacks, tolerance * abs(ascent.bound))
        if self.at == 0 or ascent.bound > self.bound + rise:
            return _Progress(self.checks + 1, ascent.bound, self.checks + 1)
        return self._replace(checks=self.checks + 1)

    @property
    def is_over(self) -> bool:
        """Whether the last checks brought next to nothing."""
        return self.checks - self.at >= STALE


def _step(
    problem: ChannelSelection,
    program: LiftedProgram,
    ascent: Ascent,
    lattice: Lattice,
) -> Step:
    price = budget_price(problem, program, ascent)
    return Step(bound=lattice.raised(ascent.bound), duals=prices(problem, price))


def budget_price(
    problem: ChannelSelection, program: LiftedProgram, ascent: Ascent
) -> float:
    """Give the fall of the bound per unit of budget added, at X; 0 without a budget."""
    if problem.cost is None or not program.has_budget:
        return 0.0
    share = np.clip(np.diagonal(ascent.X), 0.0, 1.0)
    spend, save = ascent.dual.spend, ascent.dual.save
    price = float(save[-1] + save[:-1] @ (1.0 - share) + spend @ share)
    units = float(problem.cost.max()) / float(program.cost.max())
    return float(np.ldexp(price, program.exponent)) / units


def _is_closed(ascent: Ascent, lattice: Lattice, tolerance: float) -> bool:
    """Say whether the bound can rise no more, or not by enough."""
    if ascent.fresh or ascent.residual > CREDIBLE:
        return False
    bound, value = ascent.bound, ascent.value
    if abs(value - bound) <= tolerance * abs(value) or ascent.residual <= SETTLED:
        return True
    return lattice.step > 0 and lattice.raised(bound) == lattice.raised(value)


def _descents(
    engine: Engine, program: LiftedProgram, X: np.ndarray, count: int
) -> Iterator[Step]:
    for point in rounded_points(engine, program, X, count):
        yield from engine.descend(point)


def rounded_points(
    engine: Engine, program: LiftedProgram, X: np.ndarray, count: int
) -> Iterator[np.ndarray]:
    """Give feasible points near X: by its diagonal, its eigenvectors, then at random.

    With d = diag X, X - dd' is a covariance. The first point follows d, the next is
    drawn from the Gaussian of that mean and covariance; four follow d moved along the
    two leading directions of the covariance, either way, and the rest are drawn again.
    O(n³) once, O(n²) a point.
    """
    if count == 0:
        return
    own = slice(program.first, None)
    centre = np.diagonal(X)[own].copy()
    yield nearest_point(engine.problem, centre)
    if count == 1:
        return
    values, vectors = np.linalg.eigh(X[own, own] - np.outer(centre, centre))
    spread = vectors * np.sqrt(np.maximum(values, 0.0))
    for trial in range(count - 1):
        if 1 <= trial <= LEADING:
            weights = np.zeros(centre.size)
            weights[-1 - (trial - 1) // 2 % centre.size] = 1.0 - 2.0 * (trial % 2)
        else:
            weights = engine.rng.standard_normal(centre.size)
        yield nearest_point(engine.problem, centre + spread @ weights)
