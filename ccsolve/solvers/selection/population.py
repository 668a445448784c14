"""A population of local optima: grown by annealing, improved by recombination.

Memetic search after Wu and Hao (EJOR 231, 2013) and Zhou, Hao and Duval (IEEE TEVC 21,
2017) for maximum diversity: parents agree on a backbone, the child keeps it and takes
the rest from both. New here: members are annealed, because greedy or random starts
leave tabu search far from the best where channels cancel or differ much in scale.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Step
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.engine import Engine
from ccsolve.solvers.selection.searching import TabuSettings

_FRESH = 4
"""Members before the first child; from then on one new member per child."""


class PopulationSettings(NamedTuple):
    """Size of the population, annealing sweeps of a member, and when to stop.

    ``restarts`` populations in a row without a better point end the search, None never.
    """

    size: int = 20
    sweeps: int = 500
    restarts: int | None = 3


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

    def best(self) -> tuple[np.ndarray, float]:
        k = int(np.argmin(self.values))
        return self.points[k], self.values[k]


def evolve(
    engine: Engine,
    start: np.ndarray,
    tabu: TabuSettings,
    settings: PopulationSettings,
) -> Iterator[Step]:
    """Improve ``start``, then populations one after another, each annealed longer."""
    best = yield from engine.tabu(start, tabu)
    sweeps, idle = settings.sweeps, 0
    while settings.restarts is None or idle < settings.restarts:
        population = _Population(settings.size, engine.problem.resolution)
        population.admit(*best)
        yield from _converge(engine, population, tabu, sweeps)
        found = population.best()
        idle = 0 if found[1] < best[1] - population.tolerance else idle + 1
        best = found if found[1] < best[1] else best
        sweeps *= 2


def _converge(
    engine: Engine, population: _Population, tabu: TabuSettings, sweeps: int
) -> Iterator[Step]:
    """Breed until nothing new comes for twice as many children as there are members."""
    children, stale = 0, 0
    while stale < 2 * population.size:
        wanted = min(population.size, _FRESH + children)
        if len(population.points) < wanted and stale < population.size:
            start, _ = yield from engine.anneal(engine.random_point(), sweeps)
        else:
            start = _child(engine, population)
            children += 1
        found = yield from engine.tabu(start, tabu)
        stale = 0 if population.admit(*found) else stale + 1


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
