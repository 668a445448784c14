"""A selection at all widths at once: neighbouring widths begin from each other."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ccsolve.iterate import Step
from ccsolve.kernels.search_state import Program
from ccsolve.problems import ChannelSelection
from ccsolve.sensitivity.curves import Array
from ccsolve.solvers.selection.searching.cooling import Furnace, cooled, light
from ccsolve.solvers.selection.searching.dense_program import dense_program, walk_from
from ccsolve.solvers.selection.searching.moves import (
    Incumbent,
    TabuSettings,
    random_state,
    tabu_search,
)

Points = NDArray[np.bool_]
Result = TypeVar("Result")

_COOLING, _WARMTH = 30, 0.7
"""Sweeps of an annealing run, and where one from a neighbour begins, by ratios."""

_ALIKE = 8
"""Neighbouring widths that share their temperatures."""

_TABU = TabuSettings(patience=50)


@dataclass(eq=False)
class Relay:
    """The best points (n + 1, n) and their values, by classes gone; kept up.

    Values are without the problem's constant. ``furnaces`` are those of the widths
    1..n-1, with one copy of Q for all.
    """

    program: Program
    incumbent: Incumbent
    points: Points
    values: Array
    furnaces: list[Furnace]
    rng: np.random.Generator
    state: NDArray[np.uint64]

    @classmethod
    def start(cls, problem: ChannelSelection, seed: int) -> "Relay":
        """Anneal a random point at every width."""
        n, program = problem.n, dense_program(problem)
        points = np.arange(n) < np.arange(n, -1, -1)[:, None]
        values = np.full(n + 1, np.inf)
        values[0], values[n] = float(program.Q.sum() + program.q.sum()), 0.0
        rng = np.random.default_rng(seed)
        # No point is reported from within: no value is below -inf.
        incumbent = Incumbent(problem, -np.inf)
        state = random_state(rng)
        relay = cls(program, incumbent, points, values, [], rng, state)
        for gone in range(1, n):
            relay.furnaces.append(relay.furnace(gone))
            relay.improve(gone, relay.random_point(gone), 1.0)
        return relay

    def random_point(self, gone: int) -> Points:
        """Give a random point of a width."""
        order = self.rng.permutation(self.points.shape[1])
        return self.points[gone][order]

    def furnace(self, gone: int) -> Furnace:
        """Give a width's program and its temperatures, found at every eighth width."""
        program = self.program._replace(keep=self.points.shape[1] - gone)
        if gone % _ALIKE != 1:
            return replace(self.furnaces[-1], program=program)
        z = self.random_point(gone)
        found = _end(light(program, self.incumbent, z, self.rng, self.state))
        return replace(found, bath=self.furnaces[0].bath) if self.furnaces else found

    def round(self) -> bool:
        """Go through all widths down and up; say whether any has a better point."""
        n = self.values.size - 1
        down = [self.hand_on(gone - 1, gone) for gone in range(1, n)]
        up = [self.hand_on(gone + 1, gone) for gone in range(n - 1, 0, -1)]
        return any(down) or any(up)

    def hand_on(self, neighbour: int, gone: int) -> bool:
        """Begin a width where its neighbour is, one best flip away."""
        z = self.points[neighbour].copy()
        change = walk_from(self.program, z).change
        side = z if gone > neighbour else ~z
        z[np.where(side, change, np.inf).argmin()] ^= True
        return self.improve(gone, z, _WARMTH)

    def improve(self, gone: int, z: Points, warmth: float) -> bool:
        """Cool from a point, then search; keep what is better."""
        furnace, n = self.furnaces[gone - 1], z.size
        temperatures = furnace.temperatures(_COOLING, warmth)
        moved = np.zeros(_COOLING, dtype=np.int64)
        program, state = furnace.program, self.state
        cooling = cooled(
            program, furnace.bath, self.incumbent, z, temperatures, n, moved, state
        )
        z, _ = _end(cooling)
        z, value = _end(tabu_search(program, self.incumbent, z, _TABU, state))
        if value >= self.values[gone] - program.tolerance:
            return False
        self.points[gone], self.values[gone] = z, value
        return True


def _end(search: Generator[Step, None, Result]) -> Result:
    """Run a search to its end and give what it found."""
    while True:
        try:
            next(search)
        except StopIteration as end:
            return end.value
