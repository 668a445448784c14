"""What is done with a node: fix, grow a tree, raise a dual, split."""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.problems.exactness import objective_floor
from ccsolve.solvers.selection.branching.convex_program import (
    convex_program,
    plane_program,
)
from ccsolve.solvers.selection.branching.forcing import Reduced, is_settled, reduce
from ccsolve.solvers.selection.branching.frontier import Frontier
from ccsolve.solvers.selection.branching.goal import Goal
from ccsolve.solvers.selection.branching.growth import Growth, grow, planted
from ccsolve.solvers.selection.branching.node import Node, Part, split
from ccsolve.solvers.selection.branching.subtree import TREE_LIMIT
from ccsolve.solvers.selection.relaxing import low_rank
from ccsolve.solvers.selection.relaxing.admm import Ascent, Settings, ascend
from ccsolve.solvers.selection.relaxing.convex_form import with_shift
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.rounding import nearest_point
from ccsolve.solvers.selection.searching.engine import Engine

SHORT, PLAIN, PAIRED = 20_000, 3_000_000, 1_000_000
"""Estimated nodes up to which a tree is grown: any, at once; of the plain convex form;
of a semidefinite dual. First estimates are high, up to ten times."""

TRIAL, LONG_TRIAL = 4_000, 40_000
"""Nodes after which a tree's size is estimated; where much depends on it."""

BETWEEN = 20
"""Steps of the heuristic without a better point between two nodes."""

PATIENCE = 200
"""Steps of the heuristic without a better point, where a tree is not short."""

DEARER = 3.0
"""Time of a node with pairs and cuts, in nodes of the plain form."""

NONNEGATIVE = 1000
"""Channels up to which X ≥ 0 is worth its time in the bound of a large program."""

SOFT, LEAST_SOFTENING = 1e-3, 1e-11
"""Part of the distance to the target that a tableau away from singular may cost; and
the least such shift, of a matrix with entries near 1."""

ROUND, LITTLE = 6, 0.1
"""Checks in a round of an ascent, and the part of the distance to the target that a
round must gain for another one."""


@dataclass(frozen=True, eq=False)
class Search:
    """The parts of a run: the goal, the frontier, a heuristic kept alive."""

    engine: Engine
    goal: Goal
    frontier: Frontier
    heuristic: Iterator[Step]
    cuts: int

    def bound_step(self) -> Step:
        """Give the step that reports the bound of the whole."""
        return Step(bound=self.goal.lattice.raised(self.frontier.bound()))


def improved(search: Search, fruitless: int) -> Iterator[Step]:
    """Search for points until that many steps in a row bring none."""
    idle = 0
    while idle < fruitless:
        step = next(search.heuristic)
        idle = idle + 1 if step.x is None else 0
        yield step


def explore_part(search: Search, part: Part, limits: Limits) -> Iterator[Step]:
    """Fix channels by reduced costs, then grow the plain tree; else go on below."""
    goal, frontier = search.goal, search.frontier
    reduced = yield from reduce(part.fixed, goal)
    if reduced is None:
        frontier.close(math.inf)
        return
    frontier.leave_out(reduced.excluded)
    frontier.raise_working(max(part.bound, reduced.bound))
    if is_settled(reduced.problem):
        point = reduced.fixed == 1
        point[reduced.fixed == -1] = reduced.z > 0
        yield goal.offer(point)
        frontier.close(objective_floor(goal.problem, point))
    elif frontier.working >= goal.target():
        frontier.close(frontier.working)
    elif reduced.problem.n > TREE_LIMIT:
        if part.bound == -math.inf:
            yield from _raised(search, limits)
        yield from improved(search, PATIENCE)
        _divide(frontier, reduced, int(np.argmin(np.abs(reduced.z - 0.5))), part.plain)
    else:
        yield from _explore_reduced(search, reduced, part.plain)


def _raised(search: Search, limits: Limits) -> Iterator[Step]:
    """Raise the bound of the whole by the low-rank descent, in half of the time."""
    until = limits.seconds() + 0.5 * limits.remaining()
    part = replace(limits, time_limit=until)
    nonnegative = search.goal.problem.n <= NONNEGATIVE
    for step in low_rank.relax(search.engine, part, nonnegative=nonnegative):
        search.frontier.raise_working(step.bound)
        yield search.goal.best.seen(step)


def _divide(frontier: Frontier, reduced: Reduced, place: int, plain: bool) -> None:
    """Split on the free channel at ``place``."""
    channel = np.flatnonzero(reduced.fixed == -1)[place]
    for value in (0, 1):
        fixed = reduced.fixed.copy()
        fixed[channel] = value
        frontier.push(Part(frontier.working, fixed, plain))
    frontier.close(math.inf)


def _explore_reduced(
    search: Search, reduced: Reduced, plain: bool
) -> Generator[Step, None, None]:
    """Grow the tree of the plain form, or of the semidefinite dual if that is smaller.

    Where ``plain``, the question has been answered above.
    """
    frontier, program = search.frontier, lift(reduced.problem)
    names = np.flatnonzero(reduced.fixed == -1)
    node = Node(frontier.working, program, names, reduced.fixed == 1)
    growth = _plain_tree(search, reduced, node)
    if (yield from _grown(search, growth, SHORT)):
        return
    if not plain:
        # A tree grows with what it has to reach: better points are cheaper than nodes.
        yield from improved(search, PATIENCE)
        growth = _plain_tree(search, reduced, node)
        if (yield from explore(search, node, growth)):
            return
    if not (yield from _grown(search, growth, PLAIN)):
        _divide(frontier, reduced, growth.tree.root_branch, True)


def _plain_tree(search: Search, reduced: Reduced, node: Node) -> Growth:
    goal, frontier, program = search.goal, search.frontier, node.program
    softening = math.ldexp(_softening(program, goal, frontier), program.exponent)
    form = with_shift(reduced.form, reduced.form.shift - softening)
    convex = plane_program(form, program)
    return planted(convex, program, node.point, goal, frontier.working)


def explore(
    search: Search, node: Node, rival: Growth | None = None
) -> Generator[Step, None, bool]:
    """Raise the dual; close the node by it, by a tree, or split it.

    False, and the node is as it was, where the rival tree, of the plain form, looks the
    smaller one.
    """
    goal, frontier, program = search.goal, search.frontier, node.program
    ascent = yield from _ascended(search, node)
    if frontier.working >= goal.target():
        frontier.close(frontier.working)
        return True
    yield from _rounded(search, node, ascent)
    softening = _softening(program, goal, frontier)
    convex = convex_program(program, ascent.dual, ascent.certificate, softening)
    growth = planted(convex, program, node.point, goal, frontier.working)
    if (yield from _grown(search, growth, SHORT)):
        return True
    if rival is not None:
        if (yield from _grown(search, rival, SHORT, LONG_TRIAL)):
            return True
        if rival.estimate < min(PLAIN, DEARER * growth.estimate):
            return False
    limit = PAIRED if node.can_split else math.inf
    if not (yield from _grown(search, growth, limit)):
        for child in split(node, ascent, growth.tree.root_branch):
            frontier.push(child)
        frontier.close(math.inf)
    return True


def _grown(
    search: Search, growth: Growth, limit: float, trial: int = TRIAL
) -> Generator[Step, None, bool]:
    goal, frontier, heuristic = search.goal, search.frontier, search.heuristic
    return grow(growth, goal, frontier, heuristic, limit, trial)


def _softening(program: LiftedProgram, goal: Goal, frontier: Frontier) -> float:
    """Give the shift below the eigenvalue, in units of the lifted program."""
    distance = program.from_units(goal.target()) - program.from_units(frontier.working)
    share = SOFT * distance / program.most if math.isfinite(distance) else 0.0
    return max(share, LEAST_SOFTENING)


def _ascended(search: Search, node: Node) -> Generator[Step, None, Ascent]:
    """Raise the dual until the target is reached or rounds of checks gain little."""
    goal, frontier = search.goal, search.frontier
    settings = Settings(cuts=search.cuts * node.program.n)
    checks, mark, last = 0, -math.inf, None
    for ascent in ascend(node.program, settings, node.dual, node.X, node.penalty):
        if ascent is last:
            yield Step()
            continue
        checks, last = checks + 1, ascent
        frontier.raise_working(ascent.bound)
        yield search.bound_step()
        left = goal.target() - ascent.bound
        if left <= 0:
            return ascent
        if checks % ROUND == 0:
            # Written so that it ends the ascent too where no bound is finite.
            if not ascent.bound - mark >= LITTLE * left:
                return ascent
            mark = ascent.bound
    raise AssertionError("the ascent has no end")


def _rounded(search: Search, node: Node, ascent: Ascent) -> Iterator[Step]:
    """Offer the nearest point to diag X."""
    share = np.where(node.kept, 2.0, -1.0)
    share[node.names] = np.diagonal(ascent.X)[node.program.first :]
    yield search.goal.offer(nearest_point(search.goal.problem, share))
