"""What the parts of a method know together: the best point, a guide, good points."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ccsolve.iterate import Step
from ccsolve.solvers.network.bounding.relaxing import Relaxation
from ccsolve.solvers.network.bounding.separable import Split


@dataclass
class Pool:
    """What the parts of a method tell each other.

    Attributes
    ----------
    x : the best point (n,) bool so far, None before the first one.
    guide : a point (n,) of a relaxation in [0, 1], near to which to search next.
    prices : (B,) what a unit of each budget is worth there.
    relaxed : the guide's objective, without the constant; no bound.
    split : what the relaxation is of; None before there is one.
    """

    x: np.ndarray | None = None
    objective: float = math.inf
    guide: np.ndarray | None = None
    prices: np.ndarray | None = None
    relaxed: float = -math.inf
    split: Split | None = None

    def watch(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Give the steps on."""
        for step in steps:
            if step.x is not None and step.objective < self.objective:
                self.x, self.objective = step.x, step.objective
            yield step

    def guided(self, split: Split, rounds: int) -> Iterator[Step]:
        """Take for a guide where the relaxation is least, from the best point on.

        After that many rounds (`Relaxation.settle`) at most.
        """
        assert self.x is not None
        relaxation = Relaxation.at(split, self.x)
        for _ in relaxation.settle(rounds):
            yield Step()
        self.split, self.guide, self.prices = split, relaxation.point, relaxation.prices
        self.relaxed = split.problem.objective(self.guide) - split.problem.constant


@dataclass
class Elites:
    """The best few points of a search, no two the same.

    Attributes
    ----------
    points : (value, (n,) bool), the least value first.
    stale : how many in a row changed nothing about them.
    """

    size: int
    points: list[tuple[float, np.ndarray]] = field(default_factory=list)
    stale: int = 0

    @property
    def is_full(self) -> bool:
        """Say whether as many as may be are there."""
        return len(self.points) == self.size

    def add(self, value: float, z: np.ndarray) -> bool:
        """Take a point in, and say whether it is new; the worst goes if too many."""
        self.stale += 1
        if any(np.array_equal(z, known) for _, known in self.points):
            return False
        if not self.is_full or value < self.points[-1][0]:
            self.stale = 0
        self.points.append((value, z))
        self.points.sort(key=lambda one: one[0])
        del self.points[self.size :]
        return True

    def forget(self) -> None:
        """Keep the best point alone."""
        del self.points[1:]
        self.stale = 0

    def bar(self, above: float, origin: float) -> float:
        """Give a value above the worst point's, by a part of its way from an origin.

        inf while there is room for more points.
        """
        if not self.is_full:
            return math.inf
        worst = self.points[-1][0]
        return worst + above * abs(worst - origin)
