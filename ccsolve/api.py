"""The front door: solve a problem, pick a method, list the methods."""

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.iterate import Callback, Limits, Progress
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.problems.exactness import objective_floor
from ccsolve.problems.sampling import feasible_point, natural_scale
from ccsolve.reductions.fixings import Lift, fix_variables
from ccsolve.registry import Method, find, methods
from ccsolve.solution import Solution, Stop, verify

__all__ = ["methods", "pick", "solve"]

ENUMERABLE = 200_000
"""Feasible points up to which ``auto`` looks at every one: well under a second."""

PROVABLE = 4_096
"""Channels up to which ``auto`` tries a proof."""

COMPILING_STEPS = 30
"""Steps of a method on a tiny problem that call each of its kernels."""


def solve(
    problem: ChannelSelection,
    method: str = "auto",
    time_limit: float | None = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
    callback: Callback | None = None,
    *,
    step_limit: int | None = None,
    **options: Any,
) -> Solution:
    """Solve a problem and prove how good the answer is.

    Parameters
    ----------
    problem : the program, e.g. a `ChannelSelection`.
    method : a name that `methods` lists, or "auto" for the one that `pick` names.
    time_limit : seconds of wall time; None for no limit. The first use of a method in a
        process loads its kernels, and the first on a machine compiles them (seconds,
        once): that is before the clock starts.
    gap : relative gap at which to stop.
    seed : random choices; the same seed gives the same answer under ``step_limit``, and
        under ``time_limit`` up to where the clock cut.
    callback : called with a `Progress` after every improvement of point or bound; a
        true answer stops the run.
    step_limit : limit on the method's steps, a deterministic measure of work.
    **options : keyword options of the method (its ``solve`` lists them).

    Returns
    -------
    Solution
        The best point found, its objective recomputed by the problem, and the best
        bound. A limit is not an error.

    Raises
    ------
    InvalidProblem
        A limit is malformed, or the callback no function.
    UnknownMethod, Unsupported
        No such method, one that cannot take the problem, or an option it does not know.
    WrongAnswer
        The method's answer did not survive `verify`: a defect, please report it.

    Examples
    --------
    >>> import numpy as np
    >>> import ccsolve
    >>> problem = ccsolve.ChannelSelection(np.diag([3.0, 1.0, 2.0]), keep=2)
    >>> solution = ccsolve.solve(problem)
    >>> solution.x, solution.objective, solution.gap
    (array([False,  True,  True]), 3.0, 0.0)
    """
    _require_problem(problem)
    limits = _limits(time_limit, gap, callback, step_limit)
    name, scale, lift = method, math.nan, None
    try:
        limits = replace(limits, resolution=problem.resolution)
        reduced, lift = fix_variables(problem)
        row = find(pick(reduced) if method == "auto" else method, reduced)
        name, options = row.name, _checked_options(row, options, seed)
        _compile(row, *_kind(reduced))
        # Before the run: what comes after it is lost if Ctrl-C meets it.
        scale = natural_scale(problem)
        limits = limits.restarted()
        settled = _only_point(reduced, limits)
        solution = settled or row.load()(reduced, _lifted(limits, lift), **options)
    except KeyboardInterrupt:
        solution = Solution(None, math.inf, -math.inf, Stop.INTERRUPTED)
    solution = replace(solution, natural_scale=scale, method=name)
    try:
        return _finished(problem, solution, lift, limits)
    except KeyboardInterrupt:
        # The answer is there, only its check was cut: once more.
        solution = replace(solution, stop=Stop.INTERRUPTED)
        return _finished(problem, solution, lift, limits)


def pick(problem: ChannelSelection) -> str:
    """Give the name of the method that ``auto`` uses.

    1. At most 200,000 feasible subsets: ``enumerate_all``, which proves the optimum.
    2. Up to 4,096 free channels: ``branch_and_bound``. It searches for points, bounds
       by the convex relaxation, fixes what reduced costs allow, and proves what is left
       by trees and semidefinite duals; beyond 300 channels left, where proofs are rare,
       it bounds by the low-rank semidefinite descent and goes on searching.
    3. Otherwise ``search_and_bound``: the convex relaxation's bound, then tabu search.

    The time limit plays no part: each of them begins with a point and a bound, and what
    takes long comes last.
    """
    _require_problem(problem)
    free = problem.n if problem.fixed is None else int((problem.fixed == -1).sum())
    kept = 0 if problem.fixed is None else int((problem.fixed == 1).sum())
    if free > PROVABLE:
        return "search_and_bound"
    if free > 40:
        return "branch_and_bound"
    points = 2**free if problem.keep is None else math.comb(free, problem.keep - kept)
    return "enumerate_all" if points <= ENUMERABLE else "branch_and_bound"


def _require_problem(problem: object) -> None:
    if not isinstance(problem, ChannelSelection):
        raise InvalidProblem(
            f"given a {type(problem).__name__}; expected a problem of ccsolve, such as "
            f"ChannelSelection"
        )


def _limits(
    time_limit: float | None,
    gap: float,
    callback: Callback | None,
    step_limit: int | None,
) -> Limits:
    if time_limit is not None and time_limit != math.inf:
        time_limit = real_number("time_limit", time_limit, 0.0)
    if step_limit is not None:
        step_limit = whole_number("step_limit", step_limit, 1, 2**62)
    if callback is not None and not callable(callback):
        raise InvalidProblem(
            f"callback is a {type(callback).__name__}; expected a function that takes "
            f"a Progress"
        )
    return Limits(
        time_limit=math.inf if time_limit is None else time_limit,
        step_limit=step_limit,
        gap=real_number("gap", gap, 0.0),
        callback=callback,
    )


def _kind(problem: ChannelSelection) -> tuple[bool, bool, bool]:
    """Say what decides which kernels run: form, cardinality, budget."""
    return problem.is_factored, problem.keep is not None, problem.cost is not None


@functools.cache
def _compile(row: Method, factored: bool, keeps: bool, budgeted: bool) -> None:
    """Have the kernels ready by solving a tiny problem of the kind, once a process."""
    n = 4
    form = {"factor": np.eye(n)} if factored else {"Q": np.eye(n)}
    cost = {"cost": np.ones(n), "budget": 3.0} if budgeted else {}
    tiny = ChannelSelection(**form, keep=2 if keeps else None, **cost)
    trial = row.load()(tiny, Limits(step_limit=COMPILING_STEPS, gap=0.0))
    if trial.stop is Stop.INTERRUPTED:
        # The loop takes Ctrl-C for the end of its run; here it is meant for the caller.
        raise KeyboardInterrupt


def _checked_options(
    row: Method, options: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Add the seed where the method takes one; refuse unknown options."""
    known = row.options()
    unknown = sorted(set(options) - set(known))
    if unknown:
        names = ", ".join(sorted(set(known) - {"seed"})) or "none"
        raise Unsupported(
            f"method {row.name!r} has no option {unknown[0]!r}; its options: {names}"
        )
    seed = whole_number("seed", seed, 0, 2**63 - 1)
    return {**options, "seed": seed} if "seed" in known else dict(options)


def _only_point(problem: ChannelSelection, limits: Limits) -> Solution | None:
    """Give the answer where keep leaves one point only; methods see no such problem."""
    if problem.n and problem.keep not in (0, problem.n):
        return None
    z = np.full(problem.n, bool(problem.keep))
    bound = objective_floor(problem, z)
    value = problem.objective(z)
    return Solution(z, value, bound, Stop.FINISHED, seconds=limits.seconds())


def _lifted(limits: Limits, lift: Lift) -> Limits:
    """Give limits whose callback sees points of the original problem."""
    callback = limits.callback
    if callback is None:
        return limits

    def see(progress: Progress) -> Any:
        x = progress.x
        return callback(progress._replace(x=x if x is None else lift(x)))

    return replace(limits, callback=see)


def _finished(
    problem: ChannelSelection,
    solution: Solution,
    lift: Lift | None,
    limits: Limits,
) -> Solution:
    """Lift, score again and verify; a run cut before its first point gets one."""
    if solution.x is None or lift is None:
        x = feasible_point(problem)
    else:
        x = lift(solution.x)
    finished = replace(
        solution,
        x=x.astype(bool),
        objective=problem.objective(x),
        resolution=limits.resolution,
        seconds=limits.seconds(),
    )
    verify(problem, finished)
    return finished
