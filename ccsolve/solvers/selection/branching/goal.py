"""The best point of an exact search, and what a better one would have to reach."""

import math
from dataclasses import dataclass, field

import numpy as np

from ccsolve.iterate import Step
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.relaxing.lattice import Lattice
from ccsolve.solvers.selection.searching.best import Best

WANTED = 0.5
"""Part of the gap asked for that a subtree may be left with."""


@dataclass
class Goal:
    """The incumbent of a run, and what it is to be better than.

    Attributes
    ----------
    gap, resolution : of the run's limits.
    """

    problem: ChannelSelection
    lattice: Lattice
    gap: float
    resolution: float
    best: Best = field(default_factory=Best)

    def offer(self, z: np.ndarray) -> Step:
        """Give the step that reports a point, an empty one where it is no better."""
        if self.problem.violation(z) > 0:
            return Step()
        value = self.problem.objective(z)
        better = value < self.best.objective
        return self.best.seen(Step(z, value)) if better else Step()

    def target(self) -> float:
        """Give the bound at which a subtree is of no interest.

        Whole data leave a step of the lattice to the next better value; otherwise half
        of the gap asked for, or of the resolution.
        """
        objective = self.best.objective
        if not math.isfinite(objective):
            return math.inf
        wanted = max(self.gap * abs(objective), self.resolution)
        return objective - max(0.999 * self.lattice.step, WANTED * wanted)
