"""Channels fixed by reduced costs at the root, and the smaller problem they leave."""

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np

from ccsolve.errors import Infeasible
from ccsolve.iterate import Step
from ccsolve.linalg.rounding import EPS
from ccsolve.problems import ChannelSelection
from ccsolve.reductions.fixings import fix_variables
from ccsolve.solvers.selection.branching.goal import Goal
from ccsolve.solvers.selection.relaxing.box_qp import Iterate, minimise
from ccsolve.solvers.selection.relaxing.convex_form import (
    ConvexForm,
    best_convex,
    plain_form,
    tangent,
)

MOST_ITERATES = 60
"""Iterates of the relaxation in one round."""

SETTLED = 0.02
"""Part of the distance to the target that the relaxation's own gap may be."""

WORTH = 0.05
"""Part of the channels that a round must fix for another one."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A smaller problem, its convex form and relaxed point, and what is proven of it.

    Attributes
    ----------
    fixed : (n,) of the whole problem, -1 where free: ``problem`` is over those.
    bound : of every point with these values.
    excluded : of the points that the reduction has left out.
    """

    fixed: np.ndarray
    problem: ChannelSelection
    form: ConvexForm
    z: np.ndarray
    bound: float
    excluded: float


def reduce(fixed: np.ndarray, goal: Goal) -> Generator[Step, None, Reduced | None]:
    """Fix what the tangent of the convex relaxation fixes, again and again.

    Each round takes the shift anew, which the fewer channels allow to be larger. None
    where ``fixed`` leaves no point.
    """
    excluded, before = np.inf, None
    while True:
        problem = _smaller(goal.problem, fixed)
        if problem is None:
            # No point has all the values that a point below the target would have.
            return before and replace(before, bound=excluded)
        form = plain_form(problem)
        if is_settled(problem):
            z = np.full(problem.n, float(bool(problem.keep)))
            return Reduced(fixed, problem, form, z, -np.inf, excluded)
        form = best_convex(form)
        last = yield from _relaxed(problem, form, goal)
        target, bound = goal.target(), last.best.bound
        before = Reduced(fixed, problem, form, last.point.z, bound, excluded)
        values = forced(form, last, target)
        if bound >= target or (values >= 0).sum() <= WORTH * problem.n:
            return before
        excluded = min(excluded, target)
        fixed = fixed.copy()
        fixed[fixed == -1] = values


def is_settled(problem: ChannelSelection) -> bool:
    """Say whether one point is left: nothing is free, or keep leaves no choice."""
    return problem.n == 0 or problem.keep in (0, problem.n)


def _smaller(problem: ChannelSelection, fixed: np.ndarray) -> ChannelSelection | None:
    if (fixed == -1).all():
        return problem
    try:
        return fix_variables(replace(problem, fixed=fixed))[0]
    except Infeasible:
        return None


def forced(form: ConvexForm, last: Iterate, target: float) -> np.ndarray:
    """Give for every channel the value that all points below ``target`` have, or -1.

    The tangent at y is a linear function; with r its reduced costs, its minimum with
    z_i forced to its other value is higher by |r_i|. Every iterate has a bound; here
    the last one's own counts, which `tangent` proves.
    """
    own = tangent(form, last.point)
    gradient = 2.0 * last.point.product + form.linear
    if form.cost is not None:
        gradient = gradient + own.price * form.cost
    level = 0.0
    if form.keep is not None:
        around = np.partition(gradient, [form.keep - 1, form.keep])
        level = 0.5 * float(around[form.keep - 1] + around[form.keep])
    rounding = 16.0 * EPS * (np.abs(gradient) + abs(level))
    if form.cost is not None:
        rounding = rounding + 16.0 * EPS * own.price * form.cost
    reduced = gradient - level
    lifted = own.bound + (np.abs(reduced) - rounding)
    return np.where(lifted < target, -1, np.where(reduced > 0, 0, 1)).astype(np.int8)


def _relaxed(
    problem: ChannelSelection, form: ConvexForm, goal: Goal
) -> Generator[Step, None, Iterate]:
    start = np.full(problem.n, 0.5)
    for count, iterate in enumerate(minimise(form, start)):
        yield Step()
        target = goal.target()
        left = target - iterate.best.bound
        if left <= 0 or iterate.gap <= SETTLED * left or count >= MOST_ITERATES:
            return iterate
    raise AssertionError("the iterates have no end")
