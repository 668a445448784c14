"""Exact search of the options near the relaxation's optimum, wider and wider."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.allocation_core import Core, core_of, lattice
from ccsolve.kernels.allocation_lists import (
    DROPPED,
    MORE,
    TARGET,
    Search,
    advance,
    ceil_to_step,
    choice,
)
from ccsolve.kernels.allocation_states import Block
from ccsolve.linalg.exact_sums import sum_down
from ccsolve.linalg.rounding import EPS
from ccsolve.problems import RateAllocation
from ccsolve.solvers.allocation.corridor.hulls import Prepared
from ccsolve.solvers.allocation.corridor.relaxation import Relaxed
from ccsolve.solvers.allocation.corridor.survivors import Survivors, survivors

_WORK = 1_000_000
"""States looked at in one step, about 30 ms."""

_RECORDS = 2**25
"""Most states remembered in a search: 8 bytes each."""

_ALL = 2**62

_PASSES = ((512, 64), (1024, 256), (4096, 1024), (2**15, 4096), (_ALL, 2**15))
"""Most options, and most states of a list, of every search but the last."""


@dataclass(frozen=True, eq=False)
class Incumbent:
    """The best choice so far: options (L,) of the tables, and its objective there."""

    options: np.ndarray
    objective: float


def scored(tables: Prepared, options: np.ndarray) -> Incumbent:
    """Give a choice with its objective in the units of the tables."""
    return Incumbent(options, math.fsum(tables.losses[options].tolist()))


@dataclass(frozen=True, eq=False)
class Found:
    """What is known after a search: the incumbent and a proven bound, in tables' units.

    ``complete`` says that the search left nothing out, so that the bound meets the
    incumbent up to rounding.
    """

    incumbent: Incumbent
    bound: float
    complete: bool


def searches(
    problem: RateAllocation, relaxed: Relaxed, incumbent: Incumbent, states: int
) -> Iterator[Found | None]:
    """Give what every search finds, and None from time to time in between.

    A search takes the options whose reduced costs allow for less than the incumbent,
    or the nearest of them, and keeps so many partial choices in a list. It proves a
    bound, the least of those of what it left out. The first is narrow, for good points;
    the last keeps up to ``states``.
    """
    passes = [each for each in _PASSES if each[1] < states]
    for most, width in (*passes, (_ALL, states)):
        found = None
        for found in _search(problem, relaxed, incumbent, most, width):
            yield found
        assert found is not None
        if found.complete:
            return
        incumbent = found.incumbent


def _search(
    problem: RateAllocation,
    relaxed: Relaxed,
    incumbent: Incumbent,
    most: int,
    width: int,
) -> Iterator[Found | None]:
    gap = max(0.0, math.nextafter(incumbent.objective - relaxed.bound, math.inf))
    near = survivors(relaxed, gap, most)
    core, error = core_of(near.layer, near.cost.values, near.loss.values, near.above)
    search = _begin(core, near, _target(near, relaxed, incumbent), error, width)
    while advance(core, search, _WORK) == MORE:
        yield None
    better = _best(problem, relaxed, near, core, search, incumbent)
    least = _least(search)
    outside = sum_down([relaxed.bound, near.left_out])
    inside = _loss_of(relaxed, near, least)
    complete = least > search.numbers[TARGET] and near.left_out == gap
    yield Found(better, min(inside, outside), complete)


def _begin(
    core: Core, near: Survivors, target: float, error: float, width: int
) -> Search:
    """Give a search that has taken no layer: both lists hold the empty choice."""
    n = len(core.start) - 1
    records = min(_RECORDS, n * width)
    tilt, step = lattice(core)
    margin = _margin(core) + error
    return Search(
        cost=np.zeros((2, width)),
        loss=np.zeros((2, width)),
        size=np.ones(2, dtype=np.int64),
        side=np.empty(n, dtype=np.int64),
        begin=np.empty(n, dtype=np.int64),
        owner=np.full(n, -1),
        parent=np.empty(records, dtype=np.int32),
        option=np.empty(records, dtype=np.int32),
        one=_block(3 * width),
        two=_block(3 * width),
        fresh=_block(width),
        numbers=np.array([target, np.inf, np.inf, near.room, margin, tilt, step, 0.0]),
        counts=np.array([0, 0, 0, 0, 0, -1, 0, 0]),
    )


def _block(size: int) -> Block:
    """Give room for states; memory that is not written to is not taken either."""
    numbers = (np.empty(size), np.empty(size), np.empty(size))
    return Block(*numbers, np.empty(size, np.int32), np.empty(size, np.int32))


def _margin(core: Core) -> float:
    """Bound what rounding can take from the relaxation's values in a search.

    Sums of whole numbers are exact. An edge list may miss a vertex within rounding of
    an edge, and swap edges of prices that differ by rounding; a value between two knots
    is interpolated: each is off by some EPS of the losses involved.
    """
    if not len(core.loss):
        return 0.0
    begins, sizes = core.start[:-1], np.diff(core.start)
    total = float(np.maximum.reduceat(np.abs(core.loss), begins).sum())
    return 4.0 * EPS * (int(sizes.max()) + 8) * total


def _target(near: Survivors, relaxed: Relaxed, incumbent: Incumbent) -> float:
    """Give the most that a better point loses above the base, in whole units."""
    base = relaxed.tables.losses[relaxed.base]
    change = relaxed.tables.losses[incumbent.options] - base
    return math.ceil(math.fsum(change.tolist()) / near.loss.unit) - 1.0


def _best(
    problem: RateAllocation,
    relaxed: Relaxed,
    near: Survivors,
    core: Core,
    search: Search,
    incumbent: Incumbent,
) -> Incumbent:
    """Give the best point of a search where it is feasible and better."""
    taken = np.full(len(search.side), -1)
    choice(search, taken)
    moved = core.place[taken[taken >= 0]]
    options = relaxed.base.copy()
    options[near.layer[moved]] = near.options[moved]
    found = scored(relaxed.tables, options)
    # Costs were rounded down: a choice may miss the budget by less than the rounding.
    feasible = problem.violation(options - relaxed.tables.offsets[:-1]) == 0
    return found if feasible and found.objective < incumbent.objective else incumbent


def _least(search: Search) -> float:
    """Give what every choice of the core loses at least above the base, in units."""
    numbers = search.numbers
    dropped = np.ceil(ceil_to_step(numbers, numbers[DROPPED]))
    return min(numbers[TARGET] + 1.0, float(dropped))


def _loss_of(relaxed: Relaxed, near: Survivors, least: float) -> float:
    base = relaxed.tables.losses[relaxed.base].tolist()
    return sum_down([*base, least * near.loss.unit, -near.loss.error])
