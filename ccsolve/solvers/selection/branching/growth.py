"""Trees grown to their end, or until they promise none."""

import itertools
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step
from ccsolve.linalg.rounding import EPS
from ccsolve.solvers.selection.branching.convex_program import ConvexProgram
from ccsolve.solvers.selection.branching.frontier import Frontier
from ccsolve.solvers.selection.branching.goal import Goal
from ccsolve.solvers.selection.branching.subtree import Outcome, Subtree, plant
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram

PORTION_WORK = 3e6
"""Squared channels times nodes between two steps: about 10 ms."""

PORTIONS = 4
"""Portions of a tree to a step of the heuristic."""

PIVOT_WORTH = 1e-6
"""Part of the distance to the target for which no pivot is made."""


@dataclass
class Growth:
    """A tree in the units of a lifted program, and the way back to the problem.

    Attributes
    ----------
    whole : maps a point of the tree to one of the problem.
    threshold : the lowest that the tree was ever cut at, in the program's units.
    """

    tree: Subtree
    program: LiftedProgram
    whole: Callable[[np.ndarray], np.ndarray]
    threshold: float = math.inf

    @property
    def estimate(self) -> float:
        """Nodes that the finished tree will have, from the part that is done."""
        return self.tree.nodes / max(self.tree.explored, 1e-300)

    @property
    def proven(self) -> float:
        """What no point of a finished tree is below, in the problem's units."""
        return self.program.in_units(self.threshold - self.tree.uncertainty)


def planted(
    convex: ConvexProgram,
    program: LiftedProgram,
    whole: Callable[[np.ndarray], np.ndarray],
    goal: Goal,
    bound: float,
) -> Growth:
    """Give the tree of a convex program, whose root is known to have ``bound``."""
    distance = program.from_units(goal.target()) - program.from_units(bound)
    worth = PIVOT_WORTH * max(distance, 0.0) if math.isfinite(distance) else 0.0
    return Growth(plant(convex, worth), program, whole)


def grow(
    growth: Growth,
    goal: Goal,
    frontier: Frontier,
    heuristic: Iterator[Step],
    limit: float,
    trial: int,
) -> Generator[Step, None, bool]:
    """Search the tree until it is done (True) or estimated above ``limit`` nodes.

    The estimate counts after ``trial`` nodes. A step of the heuristic goes with every
    `PORTIONS` of the tree: a better point may cut most of what is left.
    """
    tree = growth.tree
    portion = max(1, int(PORTION_WORK / tree.n**2))
    for count in itertools.count(1):
        _lower(growth, goal)
        outcome = tree.grow(growth.threshold, portion)
        if outcome is Outcome.FOUND:
            yield goal.offer(growth.whole(tree.point))
            continue
        if outcome is Outcome.DONE:
            frontier.close(growth.proven)
            return True
        yield Step(bound=goal.lattice.raised(frontier.bound()))
        if tree.nodes >= trial and growth.estimate > limit:
            return False
        if count % PORTIONS == 0:
            yield next(heuristic)
    raise AssertionError("a tree has an end")


def _lower(growth: Growth, goal: Goal) -> None:
    """Bring the threshold to the target, rounded down; below it by the uncertainty.

    Points as good as the incumbent, which rounding tells from it no more, are left out.
    """
    program, target = growth.program, goal.target()
    threshold = program.from_units(target)
    if math.isfinite(target):
        size = program.from_units(abs(target) + 2.0 * abs(program.constant))
        threshold -= 4.0 * EPS * abs(size)
        same = program.from_units(goal.best.objective) - 4.0 * growth.tree.uncertainty
        threshold = min(threshold, same)
    growth.threshold = min(growth.threshold, threshold)
