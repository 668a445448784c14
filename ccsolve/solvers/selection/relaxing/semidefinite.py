"""Steps of the semidefinite methods: bounds as they rise, and points rounded from X."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.relaxing.admm import Ascent, Settings, ascend
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.lattice import Lattice, lattice_of
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.rounding import (
    first_step,
    nearest_point,
    prices,
)
from ccsolve.solvers.selection.searching.engine import Engine, engine_for

STEP_SECONDS = 4e-10
"""Seconds per n³ that the first steps and certificates take, on one core."""

CREDIBLE = 1e-3
"""Residual below which the value at X says something about the relaxation's."""

SETTLED = 1e-9
"""Residual below which rounding is what is left."""

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
    """Give the bounds of the semidefinite relaxation as they rise, and points.

    A point is rounded at the first check, then at every doubling of their number, and
    ``roundings`` times at the end.
    """
    yield first_step(problem, plain_form(problem))
    if STEP_SECONDS * problem.n**3 > limits.remaining():
        return
    program, lattice = lift(problem), lattice_of(problem)
    engine = engine_for(problem, seed)
    last, checks = None, 0
    for ascent in ascend(program, settings):
        if ascent is last:
            yield Step()
            continue
        last, checks = ascent, checks + 1
        yield _step(problem, program, ascent, lattice)
        if checks & (checks - 1) == 0:
            yield from _descents(engine, program, ascent.X, 1)
        if _is_closed(ascent, lattice, accuracy.tolerance):
            break
    assert last is not None
    yield from _descents(engine, program, last.X, accuracy.roundings)


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

    With d = diag X, X - dd' is a covariance. The first point follows d, the next four
    d moved along the two leading directions of the covariance, either way; the rest are
    drawn from the Gaussian of that mean and covariance. O(n³) once, O(n²) a point.
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
        if trial < LEADING:
            weights = np.zeros(centre.size)
            weights[-1 - (trial // 2) % centre.size] = 1.0 - 2.0 * (trial % 2)
        else:
            weights = engine.rng.standard_normal(centre.size)
        yield nearest_point(engine.problem, centre + spread @ weights)
