"""Searches in short chunks: what the heuristics share between kernels and steps.

Each function is a generator of `Step` that gives, at its end, the best point it saw and
its value. A chunk is bounded by a count of work, a few milliseconds, so that time
limits and Ctrl-C act.
"""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.recombination import draw_tenure
from ccsolve.kernels.search_state import Program
from ccsolve.kernels.swap_search import Rule, search
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.searching.dense_program import best_of, walk_from

Search = Generator[Step, None, tuple[np.ndarray, float]]

_MOVE_WORK, _SCAN_WORK = 2_000_000, 20_000
"""Work of one step, a few milliseconds: n times moves; those that scan n rows each."""


class TabuSettings(NamedTuple):
    """How long channels are held and how long a fruitless search goes on.

    Each search draws a base from 1..tenure; a channel that left may return after that
    many moves, up to three times as many. ``candidates`` leaving channels are tried
    with every entering one.
    """

    tenure: int = 4
    patience: int = 300
    candidates: int = 1

    @property
    def rule(self) -> Rule:
        """Give what the kernel needs to know."""
        return Rule(self.patience, self.candidates)


@dataclass
class Incumbent:
    """The best value of a run; steps carry a point only where it is better.

    Attributes
    ----------
    value : zᵀQz + qᵀz of the best point so far; -inf reports none.
    """

    problem: ChannelSelection
    value: float = np.inf

    @cached_property
    def tolerance(self) -> float:
        """The problem's resolution; O(n²), so not before the first point is out."""
        return self.problem.resolution

    def offer(self, z: np.ndarray, value: float) -> Step:
        """Give the step that reports a point, an empty one where it is no better."""
        known = self.value
        if value >= known or (known < np.inf and value >= known - self.tolerance):
            return Step()
        self.value = value
        return Step(z, self.problem.objective(z))


def random_state(rng: np.random.Generator) -> np.ndarray:
    """Give a state for the kernels' random numbers, (1,) uint64, never zero."""
    return rng.integers(1, 2**63, size=1, dtype=np.uint64)


def tabu_search(
    program: Program,
    incumbent: Incumbent,
    z: np.ndarray,
    settings: TabuSettings,
    state: np.ndarray,
) -> Search:
    """Search from a point until ``patience`` moves bring nothing; O(n) a move."""
    moves = max(64, _MOVE_WORK // (program.q.size * settings.candidates + 100))
    return (yield from _search(program, incumbent, z, settings, moves, state))


def descent(
    program: Program, incumbent: Incumbent, z: np.ndarray, state: np.ndarray
) -> Search:
    """Make the best of all moves until none is better: an exact local optimum."""
    n = program.q.size
    settings = TabuSettings(tenure=0, patience=0, candidates=n)
    return (
        yield from _search(
            program, incumbent, z, settings, max(1, _SCAN_WORK // n), state
        )
    )


def _search(
    program: Program,
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
        over = search(program, walk, tenure, settings.rule, moves, state)
        yield incumbent.offer(*best_of(walk))
    return best_of(walk)


def tenure_limits(program: Program, longest: int) -> np.ndarray:
    """Give the longest base tenure, and a quarter of each side as what may be held."""
    n = program.q.size
    kept = n // 2 if program.keep < 0 else program.keep
    return np.array([longest, (n - kept) // 4, kept // 4])
