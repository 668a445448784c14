"""The best point of an exact search, and what a better one would have to reach."""

import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.iterate import Step
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.relaxing.lattice import Lattice

WANTED = 0.5
"""Part of the gap asked for that a subtree may be left with."""


@dataclass
class Goal:
    """The incumbent of a run, seen in the steps that pass by.

    Attributes
    ----------
    gap, resolution : of the run's limits.
    """

    problem: ChannelSelection
    lattice: Lattice
    gap: float
    resolution: float
    x: np.ndarray | None = None
    objective: float = math.inf

    def seen(self, step: Step) -> Step:
        """Give the step back."""
        if step.x is not None and step.objective < self.objective:
            self.x, self.objective = step.x, step.objective
        return step

    def watch(self, steps: Iterable[Step]) -> Generator[Step, None, Any]:
        """Give the steps on, and at their end what they return."""
        iterator = iter(steps)
        while True:
            try:
                step = next(iterator)
            except StopIteration as end:
                return end.value
            yield self.seen(step)

    def offer(self, z: np.ndarray) -> Step:
        """Give the step that reports a point, an empty one where it is no better."""
        if self.problem.violation(z) > 0:
            return Step()
        value = self.problem.objective(z)
        return self.seen(Step(z, value)) if value < self.objective else Step()

    def target(self) -> float:
        """Give the bound at which a subtree is of no interest.

        Whole data leave a step of the lattice to the next better value; otherwise half
        of the gap asked for, or of the resolution.
        """
        if not math.isfinite(self.objective):
            return math.inf
        wanted = max(self.gap * abs(self.objective), self.resolution)
        return self.objective - max(0.999 * self.lattice.step, WANTED * wanted)
