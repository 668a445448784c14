"""How the front door treats a ChannelSelection."""

import math

import numpy as np

from ccsolve.handling.record import Handling
from ccsolve.iterate import Limits
from ccsolve.problems import ChannelSelection
from ccsolve.problems.exactness import objective_floor
from ccsolve.problems.sampling import feasible_point, natural_scale
from ccsolve.reductions.fixings import fix_variables
from ccsolve.solution import Solution, Stop

ENUMERABLE = 200_000
"""Feasible points up to which ``auto`` looks at every one: well under a second."""

PROVABLE = 4_096
"""Channels up to which ``auto`` tries a proof."""


def pick(problem: ChannelSelection) -> str:
    """Give the name of the method that ``auto`` uses."""
    free = problem.n if problem.fixed is None else int((problem.fixed == -1).sum())
    kept = 0 if problem.fixed is None else int((problem.fixed == 1).sum())
    if free > PROVABLE:
        return "search_and_bound"
    if free > 40:
        return "branch_and_bound"
    points = 2**free if problem.keep is None else math.comb(free, problem.keep - kept)
    return "enumerate_all" if points <= ENUMERABLE else "branch_and_bound"


def settled(problem: ChannelSelection, limits: Limits) -> Solution | None:
    """Give the answer where keep leaves one point only; methods see no such problem."""
    if problem.n and problem.keep not in (0, problem.n):
        return None
    z = np.full(problem.n, bool(problem.keep))
    bound = objective_floor(problem, z)
    value = problem.objective(z)
    return Solution(z, value, bound, Stop.FINISHED, seconds=limits.seconds())


def kernels(problem: ChannelSelection) -> tuple[bool, bool, bool]:
    """Say what decides which kernels run: form, cardinality, budget."""
    return problem.is_factored, problem.keep is not None, problem.cost is not None


def tiny(kind: tuple[bool, bool, bool]) -> ChannelSelection:
    """Give a program of four channels of that kind."""
    factored, keeps, budgeted = kind
    n = 4
    form = {"factor": np.eye(n)} if factored else {"Q": np.eye(n)}
    cost = {"cost": np.ones(n), "budget": 3.0} if budgeted else {}
    return ChannelSelection(**form, keep=2 if keeps else None, **cost)


def as_point(z: np.ndarray) -> np.ndarray:
    """Give a point as bool (n,)."""
    return z.astype(bool)


def shown(problem: ChannelSelection, z: np.ndarray) -> dict[str, np.ndarray]:
    """Give the channels kept."""
    return {"kept": np.flatnonzero(z)}


SELECTION = Handling(
    problem=ChannelSelection,
    pick=pick,
    reduced=fix_variables,
    settled=settled,
    feasible_point=feasible_point,
    natural_scale=natural_scale,
    kernels=kernels,
    tiny=tiny,
    as_point=as_point,
    shown=shown,
)
