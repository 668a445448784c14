"""A population of local optima: annealed or rounded, improved by recombination.

Memetic search after Wu and Hao (EJOR 231, 2013) and Zhou, Hao and Duval (IEEE TEVC 21,
2017) for maximum diversity: parents agree on a backbone, the child keeps it and takes
the rest from both. New here is where members come from, because greedy or random starts
leave tabu search far from the best where channels cancel or differ much in scale: half
are annealed, half are roundings of the relaxed program, which knows most channels.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Step
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.box_qp import minimise
from ccsolve.solvers.selection.convex_form import plain_form
from ccsolve.solvers.selection.engine import Engine
from ccsolve.solvers.selection.rounding import nearest_point
from ccsolve.solvers.selection.searching import TabuSettings

_FRESH = 4
"""Members before the first child; from then on one new member per child."""

_RELAXING = 8
"""Steps of the relaxation, of about 10 ms at most each."""

_NOISE = 0.3
"""What is added to a relaxed entry before rounding, at most."""


class PopulationSettings(NamedTuple):
    """Size of the population, annealing sweeps of a member, and when to stop.

    ``restarts`` populations in a row without a better point end the search, None never.
    """

    size: int = 20
    sweeps: int = 300
    restarts: int | None = 20


@dataclass
class _Population:
    """Distinct points with their values, at most ``size``."""

    size: int
    tolerance: float
    points: list[np.ndarray] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def admit(self, z: np.ndarray, value: float) -> bool:
        """Take a point that is new and better than the worst, or fills a place."""
        if any(self._same(z, value, k) for k in range(len(self.points))):
            return False
        if len(self.points) < self.size:
            self.points.append(z)
            self.values.append(value)
            return True
        worst = int(np.argmax(self.values))
        if value >= self.values[worst]:
            return False
        self.points[worst], self.values[worst] = z, value
        return True

    def _same(self, z: np.ndarray, value: float, k: int) -> bool:
        close = abs(self.values[k] - value) <= self.tolerance
        return close and np.array_equal(self.points[k], z)


@dataclass(frozen=True, eq=False)
class _Breeder:
    """What a run draws new points with; ``relaxed`` is None where it says nothing."""

    engine: Engine
    tabu: TabuSettings
    settings: PopulationSettings
    relaxed: np.ndarray | None


def evolve(
    engine: Engine,
    start: np.ndarray,
    tabu: TabuSettings,
    settings: PopulationSettings,
) -> Iterator[Step]:
    """Improve ``start``, then breed populations one after another.

    Only the first population holds the improved start: where many optima are about as
    good, a new population finds a better one sooner without the old best.
    """
    best = yield from engine.tabu(start, tabu)
    relaxed = yield from _relaxed(engine.problem)
    breeder = _Breeder(engine, tabu, settings, relaxed)
    population = _Population(settings.size, engine.incumbent.tolerance)
    population.admit(*best)
    least, idle = np.inf, 0
    while settings.restarts is None or idle < settings.restarts:
        yield from _breed(breeder, population)
        found = min(population.values)
        idle = 0 if found < least - population.tolerance else idle + 1
        least = min(found, least)
        population = _Population(settings.size, population.tolerance)


def _breed(breeder: _Breeder, population: _Population) -> Iterator[Step]:
    """Breed until nothing new comes for twice as many children as there are members."""
    children, stale = 0, 0
    while stale < 2 * population.size:
        wanted = min(population.size, _FRESH + children)
        if len(population.points) < wanted and stale < population.size:
            start = yield from _new_member(breeder)
        else:
            start = _child(breeder.engine, population)
            children += 1
        found = yield from breeder.engine.tabu(start, breeder.tabu)
        stale = 0 if population.admit(*found) else stale + 1


def _new_member(breeder: _Breeder) -> Generator[Step, None, np.ndarray]:
    """Give a rounding of the relaxed point or an annealed random point, by a coin."""
    engine, relaxed = breeder.engine, breeder.relaxed
    if relaxed is not None and engine.rng.random() < 0.5:
        noise = engine.rng.uniform(-_NOISE, _NOISE, relaxed.size)
        return nearest_point(engine.problem, relaxed + noise)
    z = engine.random_point()
    z, _ = yield from engine.anneal(z, breeder.settings.sweeps)
    return z


def _relaxed(
    problem: ChannelSelection,
) -> Generator[Step, None, np.ndarray | None]:
    """Give a stationary point of the relaxation, None where it is nearly binary.

    That is its minimum where Q is positive semidefinite, as in channel pruning.
    """
    share = 0.5 if problem.keep is None else problem.keep / problem.n
    iterates = minimise(plain_form(problem), np.full(problem.n, share))
    z = np.zeros(problem.n)
    for iterate in islice(iterates, _RELAXING):
        z = iterate.point.z
        yield Step()
    between = (z > _NOISE / 4) & (z < 1 - _NOISE / 4)
    return z if between.sum() >= max(4, problem.n // 16) else None


def _child(engine: Engine, population: _Population) -> np.ndarray:
    """Give a point half-way between two members: what they share, and half the rest."""
    count = len(population.points)
    if count == 1:
        return population.points[0]
    a, b = engine.rng.choice(count, size=2, replace=False)
    points = population.points
    return midway(engine.problem, points[a], points[b], engine.rng)


def midway(
    problem: ChannelSelection,
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Walk from a feasible point half-way to another, staying feasible; (n,) bool.

    With a fixed cardinality by swaps, otherwise by flips, in random order; what the
    budget does not allow is left out.
    """
    leave = rng.permutation(np.flatnonzero(first & ~second))
    enter = rng.permutation(np.flatnonzero(second & ~first))
    z = first.copy()
    leave, enter = leave[: (leave.size + 1) // 2], enter[: (enter.size + 1) // 2]
    if problem.cost is None:
        z[leave], z[enter] = False, True
        return z
    cost, limit = problem.cost, problem.budget_limit
    if problem.keep is None:
        z[leave] = False
        leave = np.full(enter.size, -1)
    used = float(cost[z].sum())
    for i, j in zip(leave, enter, strict=True):
        more = cost[j] - (cost[i] if i >= 0 else 0.0)
        if used + more <= limit:
            z[j], used = True, used + more
            if i >= 0:
                z[i] = False
    return z
