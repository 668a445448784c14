"""The best point of a run, seen in the steps that pass by."""

import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.iterate import Step


@dataclass
class Best:
    """The best point so far, None before the first one."""

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
