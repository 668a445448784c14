"""Annealing, recombination and tabu search: the strongest heuristic here."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.solution import Solution
from ccsolve.solvers.selection.options import at_least, start_point
from ccsolve.solvers.selection.searching.engine import engine_for
from ccsolve.solvers.selection.searching.moves import TabuSettings
from ccsolve.solvers.selection.searching.population import PopulationSettings, evolve

DEFAULT_TABU, DEFAULT_POPULATION = TabuSettings(), PopulationSettings()


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    tenure: int = 4,
    patience: int = 300,
    candidates: int = 1,
    population: int = 10,
    sweeps: int = 30,
    restarts: int | None = 20,
    start: Any = None,
) -> Solution:
    """Anneal, recombine and search: a population of local optima; no bound.

    A heuristic. Members are points cooled from random ones by heat-bath exchanges
    (`annealing`), and roundings of the relaxed program. Children lie half-way between
    two members and are cooled again from a lower temperature. Each is improved by tabu
    search: every move is the best swap of the channel cheapest to remove with any
    other, the pair term included (and the best flip where ``keep`` is not given), among
    those that are not tabu; O(n) a move. A population that brings nothing more makes
    room for the next, with 1, 2, 1, 4, 1, 2, 1, 8, ... times the sweeps. The search
    ends by itself after ``restarts`` of them without a better point, about 10 ms each
    at n = 64. Memory: Q once more in single precision, n²·4 bytes.

    Parameters
    ----------
    tenure : longest base, drawn anew for each search, of the moves after which a
        channel that left may return.
    patience : moves without a better point that end one tabu search.
    candidates : channels cheapest to remove that are each tried with every other.
    population : number of local optima kept.
    sweeps : sweeps of n updates that cool a new member or a child.
    restarts : populations in a row without a better point before the end; None: never.
    start : (n,) feasible point to begin with; the better greedy one by default.

    Raises
    ------
    InvalidProblem
        For a malformed option or an infeasible start.
    """
    tabu = TabuSettings(
        at_least("tenure", tenure, 0),
        at_least("patience", patience, 1),
        at_least("candidates", candidates, 1),
    )
    settings = PopulationSettings(
        at_least("population", population, 2),
        at_least("sweeps", sweeps, 1),
        None if restarts is None else at_least("restarts", restarts, 1),
    )
    point = start_point(problem, start)
    return run(steps(problem, seed, tabu, settings, point), limits)


def steps(
    problem: ChannelSelection,
    seed: int = 0,
    tabu: TabuSettings = DEFAULT_TABU,
    settings: PopulationSettings = DEFAULT_POPULATION,
    start: np.ndarray | None = None,
) -> Iterator[Step]:
    """Give the steps of a search, for methods that go on from a point of their own."""
    engine = engine_for(problem, seed)
    z = yield from engine.first_point(start)
    yield from evolve(engine, z, tabu, settings)
