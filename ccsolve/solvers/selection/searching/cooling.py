"""Annealing runs on a dense program, at temperatures that a trial has found."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.heat_bath import Bath, cool, empty_heat, warm
from ccsolve.kernels.search_state import BEST, Program
from ccsolve.problems.checks import frozen
from ccsolve.solvers.selection.searching.dense_program import value_of, walk_from
from ccsolve.solvers.selection.searching.moves import Incumbent, Search

_TABLE = 8192
"""Random places in the table of Gumbel numbers."""

_TRIAL = np.geomspace(2.0, 0.002, 40)
"""Temperatures of the trial, in units of the mean |change| of a random exchange."""

_TRIED = 128
"""Updates at each of them, n/2 where that is more: rates are wanted roughly."""

_LIVELY, _FROZEN = 0.5, 0.005
"""Shares of updates that move where a run begins, and where it ends."""

_UPDATE_WORK, _COPY_WORK = 3_000_000, 4_000_000
"""Work of one step, a few milliseconds: n times updates; entries copied."""


@dataclass(frozen=True, eq=False)
class Furnace:
    """A program ready for annealing.

    Attributes
    ----------
    hottest, coldest : temperatures between which the channels settle.
    """

    program: Program
    bath: Bath
    hottest: float
    coldest: float

    def temperatures(self, sweeps: int, warmth: float = 1.0) -> np.ndarray:
        """Give a falling (sweeps,) sequence that begins at a share of the way up."""
        if self.hottest <= 0:
            return np.zeros(sweeps)
        start = self.coldest * (self.hottest / self.coldest) ** warmth
        return np.geomspace(start, self.coldest, sweeps)


def light(
    program: Program,
    incumbent: Incumbent,
    z: np.ndarray,
    rng: np.random.Generator,
    state: np.ndarray,
) -> Generator[Step, None, Furnace]:
    """Copy Q in single precision and find the temperatures that matter.

    A trial run from ``z`` cools from twice the mean |change| of a random exchange to a
    thousandth of that: half of the updates move at the hottest temperature wanted, one
    in two hundred at the coldest. Memory: n²·4 bytes.
    """
    bath = yield from _bath(program, rng)
    trial = typical_change(program, z, state) * _TRIAL
    moved = np.zeros(trial.size, dtype=np.int64)
    updates = max(_TRIED, program.q.size // 2)
    yield from cooled(program, bath, incumbent, z, trial, updates, moved, state)
    share = moved / updates
    cold = int(np.argmax(share < _FROZEN)) if share.min() < _FROZEN else -1
    hot = int(np.argmax(share < _LIVELY)) if share.min() < _LIVELY else -1
    return Furnace(program, bath, float(trial[max(0, hot - 1)]), float(trial[cold]))


def _bath(program: Program, rng: np.random.Generator) -> Generator[Step, None, Bath]:
    n = program.q.size
    largest = max(float(program.Q.max(initial=0.0)), -float(program.Q.min(initial=0.0)))
    # Not below 2⁻¹⁰⁰⁰, for kernels multiply by the reciprocal.
    unit = 2.0 ** max(-1000.0, np.ceil(np.log2(largest))) if largest > 0 else 1.0
    Q = np.empty((n, n), dtype=np.float32)
    rows = max(1, _COPY_WORK // max(1, n))
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        np.multiply(program.Q[block], 1.0 / unit, out=Q[block], casting="same_kind")
        yield Step()
    noise = rng.gumbel(size=_TABLE + n).astype(np.float32)
    return Bath(frozen(Q), float(unit), frozen(noise), noise.max())


def cooled(
    program: Program,
    bath: Bath,
    incumbent: Incumbent,
    z: np.ndarray,
    temperatures: np.ndarray,
    updates: int,
    moved: np.ndarray,
    state: np.ndarray,
) -> Search:
    """Cool from a point; ``moved`` (t,) counts which of the updates moved."""
    heat = empty_heat(program.q.size)
    warm(bath, walk_from(program, z), heat)
    for part, share in _chunks(temperatures.size, updates, program.q.size):
        cool(program, bath, heat, temperatures[part], share, moved[part], state)
        if heat.totals[BEST] < incumbent.value - incumbent.tolerance:
            best = heat.best_sign < 0
            yield incumbent.offer(best, value_of(program, best))
        else:
            yield Step()
    best = heat.best_sign < 0
    return best, value_of(program, best)


def _chunks(temperatures: int, updates: int, n: int) -> Iterator[tuple[slice, int]]:
    """Give which temperatures, and how many updates at each, make up a step."""
    at_once = max(1, _UPDATE_WORK // (n * updates))
    most = max(1, _UPDATE_WORK // n)
    for start in range(0, temperatures, at_once):
        for done in range(0, updates, most):
            yield slice(start, start + at_once), min(most, updates - done)


def typical_change(program: Program, z: np.ndarray, state: np.ndarray) -> float:
    """Give the mean |change| of random moves from a point, the unit of temperature."""
    change = walk_from(program, z).change
    rng = np.random.default_rng(state)
    kept, removed = np.flatnonzero(z), np.flatnonzero(~z)
    if program.keep < 0 or kept.size == 0 or removed.size == 0:
        return float(np.abs(change).mean()) if change.size else 0.0
    i, j = rng.choice(kept, 256), rng.choice(removed, 256)
    return float(np.abs(change[i] + change[j] - 2.0 * program.Q[i, j]).mean())
