"""The three searches from a point, whether Q is dense or a factor too large to form."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.search_state import Program
from ccsolve.problems import ChannelSelection
from ccsolve.problems.sampling import feasible_point, random_point
from ccsolve.solvers.selection import greedy
from ccsolve.solvers.selection.searching.cooling import Furnace, cooled, light
from ccsolve.solvers.selection.searching.dense_program import (
    FORMED_LIMIT,
    dense_program,
)
from ccsolve.solvers.selection.searching.moves import (
    Incumbent,
    Search,
    TabuSettings,
    descent,
    random_state,
    tabu_search,
)
from ccsolve.solvers.selection.searching.windows import anneal_on_factor, search_windows


@dataclass(eq=False)
class Engine:
    """A problem ready to be searched, with the run's random numbers and its best point.

    Each search is a generator of steps that gives the best point it saw and its value.

    Attributes
    ----------
    furnace : what the first annealing run makes for the others.
    """

    problem: ChannelSelection
    incumbent: Incumbent
    rng: np.random.Generator
    state: np.ndarray
    furnace: Furnace | None = None

    @property
    def windowed(self) -> bool:
        """Whether a factor is searched through windows, being too large to form."""
        return self.problem.is_factored and self.problem.n > FORMED_LIMIT

    @cached_property
    def program(self) -> Program | None:
        """The dense program, made when first asked for; None where ``windowed``."""
        return None if self.windowed else dense_program(self.problem)

    def descend(self, z: np.ndarray) -> Search:
        """Descend to a local optimum of all swaps, or of those within windows."""
        if self.program is not None:
            return descent(self.program, self.incumbent, z, self.state)

        def search(program: Program, inner: Incumbent, z: np.ndarray) -> Search:
            return descent(program, inner, z, self.state)

        return search_windows(self.problem, self.incumbent, z, search, self.rng)

    def tabu(self, z: np.ndarray, settings: TabuSettings) -> Search:
        """Search on beyond local optima."""
        if self.program is not None:
            return tabu_search(self.program, self.incumbent, z, settings, self.state)

        def search(program: Program, inner: Incumbent, z: np.ndarray) -> Search:
            return tabu_search(program, inner, z, settings, self.state)

        return search_windows(self.problem, self.incumbent, z, search, self.rng)

    def anneal(self, z: np.ndarray, sweeps: int, warmth: float = 1.0) -> Search:
        """Cool from a point over ``sweeps`` times n updates.

        ``warmth`` < 1 begins at a lower temperature, which keeps part of the point.
        """
        if self.windowed:
            found = anneal_on_factor(
                self.problem, self.incumbent, z, sweeps, self.state
            )
            return (yield from found)
        furnace = yield from self.lit()
        temperatures = furnace.temperatures(sweeps, warmth)
        return (
            yield from cooled(
                furnace.program,
                furnace.bath,
                self.incumbent,
                z,
                temperatures,
                z.size,
                np.zeros(sweeps, dtype=np.int64),
                self.state,
            )
        )

    def lit(self) -> Generator[Step, None, Furnace]:
        """Give the furnace of a dense program; the first call makes it."""
        if self.furnace is None:
            assert self.program is not None
            start = self.random_point()
            self.furnace = yield from light(
                self.program, self.incumbent, start, self.rng, self.state
            )
        return self.furnace

    def first_point(
        self, start: np.ndarray | None = None
    ) -> Generator[Step, None, np.ndarray]:
        """Give the point to begin with: the one given, or the better greedy one.

        The ranking by the separable part comes first, at once; and it has to do on
        factors too large to form, where greedy choices take seconds.
        """
        z = feasible_point(self.problem) if start is None else start
        best = self.problem.objective(z)
        yield self.incumbent.offer(z, best - self.problem.constant)
        if start is not None or self.windowed:
            return z
        for step in greedy.steps(self.problem):
            if step.x is None:
                yield step
                continue
            yield self.incumbent.offer(step.x, step.objective - self.problem.constant)
            if step.objective < best:
                z, best = step.x, step.objective
        return z

    def random_point(self) -> np.ndarray:
        """Give a random feasible point."""
        return random_point(self.problem, self.rng)


def engine_for(problem: ChannelSelection, seed: int) -> Engine:
    """Give the engine of a problem; a factored Q of up to 4,096 channels is formed."""
    rng = np.random.default_rng(seed)
    return Engine(
        problem=problem,
        incumbent=Incumbent(problem),
        rng=rng,
        state=random_state(rng),
    )
