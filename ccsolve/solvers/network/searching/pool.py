"""What the parts of a method know together: the best point, a guide, good points."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

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
    relaxed : the guide's objective, without the constant; no bound.
    """

    x: np.ndarray | None = None
    objective: float = math.inf
    guide: np.ndarray | None = None
    prices: np.ndarray | None = None
    relaxed: float = -math.inf

    def watch(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Give the steps on."""
        for step in steps:
            if step.x is not None and step.objective < self.objective:
                self.x, self.objective = step.x, step.objective
            yield step


@dataclass
class Elites:
    """The best few points of a search, no two the same.

    Attributes
    ----------
    points : (value, (n,) bool), the least value first.
    """

    size: int
    points: list[tuple[float, np.ndarray]] = field(default_factory=list)

    def add(self, value: float, z: np.ndarray) -> bool:
        """Take a point in, and say whether it is new; the worst goes if too many."""
        if any(np.array_equal(z, known) for _, known in self.points):
            return False
        self.points.append((value, z))
        self.points.sort(key=lambda one: one[0])
        del self.points[self.size :]
        return True

    def bar(self, above: float, origin: float) -> float:
        """Give a value above the worst point's, by a part of its way from an origin.

        inf while there is room for more points.
        """
        if len(self.points) < self.size:
            return math.inf
        worst = self.points[-1][0]
        return worst + above * abs(worst - origin)

    def two(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw two of the points."""
        first, second = rng.choice(len(self.points), 2, replace=False)
        return self.points[first][1], self.points[second][1]
