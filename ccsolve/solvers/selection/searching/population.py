"""A population of local optima: annealed or rounded, improved by recombination.

Memetic search after Wu and Hao (EJOR 231, 2013) and Zhou, Hao and Duval (IEEE TEVC 21,
2017) for maximum diversity: parents agree on a backbone, the child keeps it and takes
the rest from both. New here is where members come from, because greedy or random starts
leave tabu search far from the best where channels cancel or differ much in scale: half
are annealed, half are roundings of the relaxed program, which knows most channels.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.recombination import STALE, admit, breed
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.relaxing.box_qp import minimise
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.rounding import nearest_point
from ccsolve.solvers.selection.searching.dense_program import DenseProgram
from ccsolve.solvers.selection.searching.engine import Engine
from ccsolve.solvers.selection.searching.moves import TabuSettings, tenure_limits

_FRESH = 4
"""Members before the first child; from then on one new member per child."""

_RELAXING = 8
"""Steps of the relaxation, of about 10 ms at most each."""

_NOISE = 0.3
"""What is added to a relaxed entry before rounding, at most."""

_WORK = 1_500_000
"""Moves times n in one step of breeding, about 3 ms; one child at least."""


class PopulationSettings(NamedTuple):
    """Size of the population, annealing sweeps of a member, and when to stop.

    ``restarts`` populations in a row without a better point end the search, None never.
    """

    size: int = 20
    sweeps: int = 300
    restarts: int | None = 20


@dataclass(frozen=True, eq=False)
class _Breeder:
    """What a run draws new points with; ``relaxed`` is None where it says nothing."""

    engine: Engine
    tabu: TabuSettings
    settings: PopulationSettings
    relaxed: np.ndarray | None


@dataclass(frozen=True, eq=False)
class _Population:
    """Distinct points as signs (size, n) with their values; kernels write into both.

    ``state`` (3,): members, fruitless points in a row, children.
    """

    members: np.ndarray
    values: np.ndarray
    state: np.ndarray

    @staticmethod
    def empty(size: int, n: int) -> "_Population":
        state = np.zeros(3, dtype=np.int64)
        return _Population(np.empty((size, n)), np.full(size, np.inf), state)

    def admit(self, z: np.ndarray, value: float, tolerance: float) -> None:
        sign = np.where(z, -1.0, 1.0)
        admit(self.members, self.values, self.state, sign, value, tolerance)

    def best(self) -> tuple[np.ndarray, float]:
        k = int(np.argmin(self.values))
        return self.members[k] < 0, float(self.values[k])


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
    relaxed = yield from _relaxed(engine.problem)
    breeder = _Breeder(engine, tabu, settings, relaxed)
    least, idle = np.inf, 0
    while settings.restarts is None or idle < settings.restarts:
        if engine.program is None:
            member = yield from _new_member(breeder)
            _, found = yield from engine.tabu(member, tabu)
        else:
            found = yield from _converge(breeder, engine.program, first)
            first = None
        idle = 0 if found < least - engine.incumbent.tolerance else idle + 1
        least = min(found, least)


def _converge(
    breeder: _Breeder,
    program: DenseProgram,
    first: tuple[np.ndarray, float] | None,
) -> Generator[Step, None, float]:
    """Breed until 2·size points in a row bring nothing; give the best value."""
    size, tolerance = breeder.settings.size, program.tolerance
    population = _Population.empty(size, program.n)
    if first is not None:
        population.admit(*first, tolerance)
    while population.state[STALE] < 2 * size:
        members, stale, children = population.state
        if members < min(size, _FRESH + children) and stale < size:
            start = yield from _new_member(breeder)
            found = yield from breeder.engine.tabu(start, breeder.tabu)
            population.admit(*found, tolerance)
        else:
            _breed(breeder, program, population, 1 if members < size else 2 * size)
            yield breeder.engine.incumbent.offer(*population.best())
    return population.best()[1]


def _breed(
    breeder: _Breeder, program: DenseProgram, population: _Population, children: int
) -> None:
    breed(
        program.Q,
        program.q,
        program.cost,
        program.limit,
        program.keep is not None,
        program.pair_gain,
        population.members,
        population.values,
        population.state,
        children,
        tenure_limits(program, breeder.tabu.tenure),
        breeder.tabu.patience,
        breeder.tabu.candidates,
        program.tolerance,
        _WORK // program.n,
        breeder.engine.state,
    )


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
