"""A population of local optima: annealed or rounded, improved by recombination.

Memetic search after Wu and Hao (EJOR 231, 2013) and Zhou, Hao and Duval (IEEE TEVC 21,
2017) for maximum diversity: parents agree on a backbone, the child keeps it and takes
the rest from both. New here is how points settle: by heat-bath annealing
(`kernels.heat_bath`), from random points at first and, for a child, from the
temperature at which the backbone holds and the rest does not; tabu search comes last.
Some members are roundings of the relaxed program, which knows most channels where they
differ in scale.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.heat_bath import empty_heat
from ccsolve.kernels.recombination import (
    CHILDREN,
    COUNT,
    STALE,
    Breeding,
    Population,
    admit,
    between,
    breed,
)
from ccsolve.kernels.search_state import empty_walk
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.relaxing.box_qp import minimise
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.rounding import nearest_point
from ccsolve.solvers.selection.searching.cooling import Furnace
from ccsolve.solvers.selection.searching.engine import Engine
from ccsolve.solvers.selection.searching.moves import TabuSettings, tenure_limits

_FRESH = 4
"""Members before the first child; from then on one new member per child."""

_WARMTH = 0.7
"""Where a child's cooling begins, from 0 coldest to 1 hottest, by ratios."""

_RELAXING = 8
"""Steps of the relaxation, of about 10 ms at most each."""

_NOISE = 0.3
"""What is added to a relaxed entry before rounding, at most."""

_WORK = 6_000_000
"""Work of one step of breeding, about 3 ms: children times n times updates."""


class PopulationSettings(NamedTuple):
    """Size of the population, annealing sweeps of a member, and when to stop.

    ``restarts`` populations in a row without a better point end the search, None never.
    """

    size: int = 10
    sweeps: int = 30
    restarts: int | None = 20


@dataclass(frozen=True, eq=False)
class _Breeder:
    """What a population is bred with; ``relaxed`` is None where it says nothing."""

    engine: Engine
    furnace: Furnace
    tabu: TabuSettings
    size: int
    sweeps: int
    relaxed: np.ndarray | None

    @property
    def breeding(self) -> Breeding:
        """Give what the kernels need to know of a child."""
        return Breeding(
            temperatures=self.furnace.temperatures(self.sweeps, _WARMTH),
            tenure=tenure_limits(self.furnace.program, self.tabu.tenure),
            rule=self.tabu.rule,
        )


def evolve(
    engine: Engine,
    start: np.ndarray,
    tabu: TabuSettings,
    settings: PopulationSettings,
) -> Iterator[Step]:
    """Improve ``start``, then breed populations one after another.

    Only the first population holds the improved start: where many optima are about as
    good, a new population finds a better one sooner without the old best. Factors too
    large to form are searched from one new member after another instead.
    """
    first = yield from engine.tabu(start, tabu)
    if engine.windowed:
        yield from _search_on(engine, tabu, settings)
        return
    furnace = yield from engine.lit()
    relaxed, least, idle, bred = None, np.inf, 0, 0
    while settings.restarts is None or idle < settings.restarts:
        sweeps = settings.sweeps * _effort(bred + 1)
        breeder = _Breeder(engine, furnace, tabu, settings.size, sweeps, relaxed)
        found = yield from _converge(breeder, first)
        if first is not None:
            first, relaxed = None, (yield from _relaxed(engine.problem))
        idle = 0 if found < least - engine.incumbent.tolerance else idle + 1
        least, bred = min(found, least), bred + 1


def _effort(population: int) -> int:
    """Give by how much to multiply the sweeps: 1, 2, 1, 4, 1, 2, 1, 8, ...

    The powers of two of the universal restart sequence (Luby, Sinclair and Zuckerman,
    IPL 47, 1993): some programs want many quick populations, others a slow one.
    """
    return population & -population


def _search_on(
    engine: Engine, tabu: TabuSettings, settings: PopulationSettings
) -> Iterator[Step]:
    """Search from new points until ``restarts`` in a row bring nothing better."""
    relaxed = yield from _relaxed(engine.problem)
    least, idle = np.inf, 0
    while settings.restarts is None or idle < settings.restarts:
        member = yield from _new_point(engine, settings.sweeps, relaxed)
        _, found = yield from engine.tabu(member, tabu)
        idle = 0 if found < least - engine.incumbent.tolerance else idle + 1
        least = min(found, least)


def _converge(
    breeder: _Breeder, first: tuple[np.ndarray, float] | None
) -> Generator[Step, None, float]:
    """Breed until 2·size points in a row bring nothing; give the best value."""
    size, incumbent = breeder.size, breeder.engine.incumbent
    population = _empty(size, breeder.furnace.program.q.size)
    if first is not None:
        _admit(population, *first, incumbent.tolerance)
    while population.counts[STALE] < 2 * size:
        members, stale, children = population.counts
        if members < min(size, _FRESH + children) and stale < size:
            start = yield from _new_point(
                breeder.engine, breeder.sweeps, breeder.relaxed
            )
            found = yield from breeder.engine.tabu(start, breeder.tabu)
            _admit(population, *found, incumbent.tolerance)
        else:
            yield from _children(breeder, population)
            yield incumbent.offer(*_best(population))
    return _best(population)[1]


def _children(breeder: _Breeder, population: Population) -> Iterator[Step]:
    """Breed as many children as fit into a step, one by one until the size is full."""
    engine, furnace = breeder.engine, breeder.furnace
    n = furnace.program.q.size
    fitting = _WORK // (breeder.sweeps * n**2 + 1000 * n)
    if fitting == 0:
        yield from _child(breeder, population)
        return
    full = population.counts[COUNT] == breeder.size
    breed(
        furnace.program,
        furnace.bath,
        population,
        breeder.breeding,
        empty_walk(n),
        empty_heat(n),
        min(fitting, 2 * breeder.size) if full else 1,
        engine.state,
    )


def _child(breeder: _Breeder, population: Population) -> Iterator[Step]:
    """Breed one child in several steps."""
    engine, program = breeder.engine, breeder.furnace.program
    sign = np.empty(program.q.size)
    between(program, population, sign, engine.state)
    z, _ = yield from engine.anneal(sign < 0, breeder.sweeps, _WARMTH)
    found = yield from engine.tabu(z, breeder.tabu)
    population.counts[CHILDREN] += 1
    _admit(population, *found, program.tolerance)


def _empty(size: int, n: int) -> Population:
    counts = np.zeros(3, dtype=np.int64)
    return Population(np.empty((size, n)), np.full(size, np.inf), counts)


def _admit(
    population: Population, z: np.ndarray, value: float, tolerance: float
) -> None:
    admit(population, np.where(z, -1.0, 1.0), value, tolerance)


def _best(population: Population) -> tuple[np.ndarray, float]:
    k = int(np.argmin(population.values))
    return population.members[k] < 0, float(population.values[k])


def _new_point(
    engine: Engine, sweeps: int, relaxed: np.ndarray | None
) -> Generator[Step, None, np.ndarray]:
    """Give a rounding of the relaxed point or an annealed random point, by a coin."""
    if relaxed is not None and engine.rng.random() < 0.5:
        noise = engine.rng.uniform(-_NOISE, _NOISE, relaxed.size)
        return nearest_point(engine.problem, relaxed + noise)
    z, _ = yield from engine.anneal(engine.random_point(), sweeps)
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
    fractional = (z > _NOISE / 4) & (z < 1 - _NOISE / 4)
    return z if fractional.sum() >= max(4, problem.n // 16) else None
