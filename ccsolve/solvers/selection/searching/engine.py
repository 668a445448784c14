"""The three searches from a point, whether Q is dense or a factor too large to form."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step
from ccsolve.problems import ChannelSelection
from ccsolve.problems.sampling import feasible_point, random_point
from ccsolve.solvers.selection import greedy
from ccsolve.solvers.selection.searching.dense_program import (
    FORMED_LIMIT,
    DenseProgram,
    dense_program,
)
from ccsolve.solvers.selection.searching.moves import (
    Incumbent,
    Search,
    TabuSettings,
    annealing_run,
    descent,
    random_state,
    tabu_search,
)
from ccsolve.solvers.selection.searching.windows import anneal_on_factor, search_windows


@dataclass(frozen=True, eq=False)
class Engine:
    """A problem ready to be searched, with the run's random numbers and its best point.

    Each search is a generator of steps that gives the best point it saw and its value.

    Attributes
    ----------
    program : the dense program, None where a factor is searched through windows.
    """

    problem: ChannelSelection
    program: DenseProgram | None
    incumbent: Incumbent
    rng: np.random.Generator
    state: np.ndarray

    def descend(self, z: np.ndarray) -> Search:
        """Descend to a local optimum of all swaps, or of those within windows."""
        if self.program is not None:
            return descent(self.program, self.incumbent, z, self.state)

        def search(program: DenseProgram, inner: Incumbent, z: np.ndarray) -> Search:
            return descent(program, inner, z, self.state)

        return search_windows(self.problem, self.incumbent, z, search, self.rng)

    def tabu(self, z: np.ndarray, settings: TabuSettings) -> Search:
        """Search on beyond local optima."""
        if self.program is not None:
            return tabu_search(self.program, self.incumbent, z, settings, self.state)

        def search(program: DenseProgram, inner: Incumbent, z: np.ndarray) -> Search:
            return tabu_search(program, inner, z, settings, self.state)

        return search_windows(self.problem, self.incumbent, z, search, self.rng)

    def anneal(self, z: np.ndarray, sweeps: int) -> Search:
        """Cool from a point over ``sweeps`` times n proposals."""
        if self.program is None:
            return anneal_on_factor(self.problem, self.incumbent, z, sweeps, self.state)
        return annealing_run(self.program, self.incumbent, z, sweeps, self.state)

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
        if start is not None or self.program is None:
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
    """Give the engine of a problem; forms a factored Q of up to 4,096 channels."""
    rng = np.random.default_rng(seed)
    windowed = problem.is_factored and problem.n > FORMED_LIMIT
    return Engine(
        problem=problem,
        program=None if windowed else dense_program(problem),
        incumbent=Incumbent(problem, problem.resolution),
        rng=rng,
        state=random_state(rng),
    )
