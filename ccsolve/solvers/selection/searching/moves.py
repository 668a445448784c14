"""Searches in short chunks: what the heuristics share between kernels and steps.

Each function is a generator of `Step` that gives, at its end, the best point it saw and
its value. A chunk is bounded by a count of work, a few milliseconds, so that time
limits and Ctrl-C act.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.annealing import anneal_dense
from ccsolve.kernels.recombination import draw_tenure
from ccsolve.kernels.swap_search import search
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.searching.dense_program import DenseProgram, walk_from

Search = Generator[Step, None, tuple[np.ndarray, float]]

HOTTEST, COLDEST = 0.5, 0.005
"""Temperatures of an annealing run, in units of the mean |change| of a random move."""

_MOVE_WORK, _SCAN_WORK = 2_000_000, 20_000
_PROPOSALS, _ACCEPTED_WORK = 200_000, 8_000_000
"""Work of one step, a few milliseconds: n times moves; n times moves that scan n rows;
proposals; and n times proposals, since all of them may be accepted."""


class TabuSettings(NamedTuple):
    """How long channels are held and how long a fruitless search goes on.

    Each search draws a base from 1..tenure; a channel that left may return after that
    many moves, up to three times as many. ``candidates`` leaving channels are tried
    with every entering one.
    """

    tenure: int = 4
    patience: int = 300
    candidates: int = 1


@dataclass
class Incumbent:
    """The best value of a run; steps carry a point only where it is better.

    Attributes
    ----------
    tolerance : the problem's resolution, which is O(n²) to compute.
    value : zᵀQz + qᵀz of the best point so far; -inf reports none.
    """

    problem: ChannelSelection
    tolerance: float
    value: float = np.inf

    def offer(self, z: np.ndarray, value: float) -> Step:
        """Give the step that reports a point, an empty one where it is no better."""
        if value >= self.value - self.tolerance:
            return Step()
        self.value = value
        return Step(z, self.problem.objective(z))


def random_state(rng: np.random.Generator) -> np.ndarray:
    """Give a state for the kernels' random numbers, (1,) uint64, never zero."""
    return rng.integers(1, 2**63, size=1, dtype=np.uint64)


def tabu_search(
    program: DenseProgram,
    incumbent: Incumbent,
    z: np.ndarray,
    settings: TabuSettings,
    state: np.ndarray,
) -> Search:
    """Search from a point until ``patience`` moves bring nothing; O(n) a move."""
    moves = max(64, _MOVE_WORK // (program.n * settings.candidates + 100))
    return (yield from _search(program, incumbent, z, settings, moves, state))


def descent(
    program: DenseProgram, incumbent: Incumbent, z: np.ndarray, state: np.ndarray
) -> Search:
    """Make the best of all moves until none is better: an exact local optimum."""
    settings = TabuSettings(tenure=0, patience=0, candidates=program.n)
    moves = max(1, _SCAN_WORK // program.n)
    return (yield from _search(program, incumbent, z, settings, moves, state))


def _search(
    program: DenseProgram,
    incumbent: Incumbent,
    z: np.ndarray,
    settings: TabuSettings,
    moves: int,
    state: np.ndarray,
) -> Search:
    walk = walk_from(program, z)
    tenure = np.empty(4, dtype=np.int64)
    draw_tenure(tenure_limits(program, settings.tenure), tenure, state)
    over = False
    while not over:
        over = search(
            program.Q,
            program.cost,
            program.limit,
            program.keep is not None,
            program.pair_gain,
            walk.change,
            walk.sign,
            walk.held_until,
            tenure,
            walk.totals,
            walk.clock,
            walk.best_sign,
            moves,
            settings.patience,
            settings.candidates,
            program.tolerance,
            state,
        )
        yield incumbent.offer(*walk.best())
    return walk.best()


def tenure_limits(program: DenseProgram, longest: int) -> np.ndarray:
    """Give the longest base tenure, and a quarter of each side as what may be held."""
    kept = program.n // 2 if program.keep is None else program.keep
    return np.array([longest, (program.n - kept) // 4, kept // 4])


def annealing_run(
    program: DenseProgram,
    incumbent: Incumbent,
    z: np.ndarray,
    sweeps: int,
    state: np.ndarray,
) -> Search:
    """Cool from a point over ``sweeps`` of n proposals; O(n) per accepted one."""
    walk = walk_from(program, z)
    order = np.argsort(~z, kind="stable")
    kept = np.array([int(z.sum())])
    scale = _typical_change(program, walk.change, z, state)
    temperatures = scale * np.geomspace(HOTTEST, COLDEST, sweeps)
    chunk = max(1, min(_PROPOSALS // program.n, _ACCEPTED_WORK // program.n**2))
    for start in range(0, sweeps, chunk):
        anneal_dense(
            program.Q,
            program.cost,
            program.limit,
            program.keep is not None,
            program.pair_gain,
            walk.change,
            walk.sign,
            order,
            kept,
            walk.totals,
            walk.best_sign,
            temperatures[start : start + chunk],
            program.tolerance,
            state,
        )
        yield incumbent.offer(*walk.best())
    return walk.best()


def _typical_change(
    program: DenseProgram, change: np.ndarray, z: np.ndarray, state: np.ndarray
) -> float:
    """Give the mean |change| of random moves from a point, the unit of temperature."""
    rng = np.random.default_rng(state)
    kept, removed = np.flatnonzero(z), np.flatnonzero(~z)
    if program.keep is None or kept.size == 0 or removed.size == 0:
        return float(np.abs(change).mean()) if change.size else 0.0
    i, j = rng.choice(kept, 256), rng.choice(removed, 256)
    return float(np.abs(change[i] + change[j] - 2.0 * program.Q[i, j]).mean())
