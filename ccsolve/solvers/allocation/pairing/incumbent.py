"""The best point so far of one run, checked and scored by the problem itself."""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step
from ccsolve.problems import RateAllocation
from ccsolve.solvers.allocation.pairing.program import PairProgram


@dataclass
class Incumbent:
    """The best point (L,) so far, None before the first, and the best proven bound."""

    problem: RateAllocation
    x: np.ndarray | None = None
    objective: float = math.inf

    def offer(self, x: np.ndarray) -> bool:
        """Take a point of the problem if it is feasible and better; say whether."""
        objective = self.problem.objective(x)
        if objective >= self.objective or self.problem.violation(x) > 0:
            return False
        self.x, self.objective = x, objective
        return True

    def target(self, program: PairProgram) -> float:
        """Give a loss that all points worth finding in a program stay within.

        Less than rounding below the incumbent; without one, more than any point's.
        """
        if self.x is None:
            return program.highest_loss + 1e-9 * program.largest[0]
        return self.objective - 0.5 * self.problem.resolution

    def step(self, bound: float, prices: np.ndarray) -> Step:
        """Give the best point with a bound of the whole problem and its prices."""
        return Step(self.x, self.objective, bound, duals={"budgets": prices})
