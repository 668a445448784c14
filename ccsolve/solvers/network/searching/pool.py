"""The best point that the parts of a method know of, seen in the steps that pass by."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step


@dataclass
class Pool:
    """What the parts of a method tell each other.

    Attributes
    ----------
    x : the best point (n,) bool so far, None before the first one.
    guide : a point (n,) of a relaxation in [0, 1], near to which to search next.
    prices : (B,) what a unit of each budget is worth there.
    """

    x: np.ndarray | None = None
    objective: float = math.inf
    guide: np.ndarray | None = None
    prices: np.ndarray | None = None

    def watch(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Give the steps on."""
        for step in steps:
            if step.x is not None and step.objective < self.objective:
                self.x, self.objective = step.x, step.objective
            yield step
