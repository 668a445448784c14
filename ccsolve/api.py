"""The front door: solve a problem, pick a method, list the methods."""

import functools
import math
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.handling import Handling, Lift, handling_of
from ccsolve.iterate import Callback, Limits, Progress
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.registry import Method, find, methods
from ccsolve.solution import Solution, Stop, verify

__all__ = ["methods", "pick", "solve"]

COMPILING_STEPS = 30
"""Steps of a method on a tiny problem that call each of its kernels."""


def solve(
    problem: Any,
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
    problem : the program: a `ChannelSelection`, a `RateAllocation`, ...
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
    Infeasible
        Only solving could tell that no point satisfies the constraints together.
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
    handling = handling_of(problem)
    limits = _limits(time_limit, gap, callback, step_limit)
    name, scale, lift = method, math.nan, None
    try:
        limits = replace(limits, resolution=problem.resolution)
        reduced, lift = handling.reduced(problem)
        row = find(pick(reduced) if method == "auto" else method, reduced)
        name, options = row.name, _checked_options(row, options, seed)
        _compile(row, handling, handling.kernels(reduced))
        # Before the run: what comes after it is lost if Ctrl-C meets it.
        scale = handling.natural_scale(problem)
        limits = limits.restarted()
        settled = handling.settled(reduced, limits)
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


def pick(problem: Any) -> str:
    """Give the name of the method that ``auto`` uses.

    `ChannelSelection`:

    1. At most 200,000 feasible subsets: ``enumerate_all``, which proves the optimum.
    2. Up to 4,096 free channels: ``branch_and_bound``. It searches for points, bounds
       by the convex relaxation, fixes what reduced costs allow, and proves what is left
       by trees and semidefinite duals; beyond 300 channels left, where proofs are rare,
       it bounds by the low-rank semidefinite descent and goes on searching.
    3. Otherwise ``search_and_bound``: the convex relaxation's bound, then tabu search.

    `ReconstructionSelection`: ``branch_and_bound`` up to 40 channels and 600 columns,
    else ``search_and_bound``.

    `SmoothRateAllocation`: ``bisection``, which is exact.

    `RateAllocation`: ``pairs`` with pair terms, else ``one_budget`` or
    ``several_budgets``; all three are exact.

    `LowRankFit`: ``fit_and_bound``. For "svd" that is the closed form with its proof,
    for the other formats alternating least squares with the bound of the unfoldings.

    `NetworkSelection`: ``enumerate_all`` up to 18 channels, else ``search_and_bound``.

    The time limit plays no part: each of them begins with a point and a bound, and what
    takes long comes last.
    """
    return handling_of(problem).pick(problem)


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


@functools.cache
def _compile(row: Method, handling: Handling, kernels: Hashable) -> None:
    """Have the kernels ready by solving a tiny problem of the kind, once a process."""
    limits = Limits(step_limit=COMPILING_STEPS, gap=0.0)
    trial = row.load()(handling.tiny(kernels), limits)
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
    problem: Any, solution: Solution, lift: Lift | None, limits: Limits
) -> Solution:
    """Lift, score again and verify; a run cut before its first point gets one."""
    handling = handling_of(problem)
    if solution.x is None or lift is None:
        x = handling.feasible_point(problem)
    else:
        x = lift(solution.x)
    finished = replace(
        solution,
        x=None if x is None else handling.as_point(x),
        objective=math.inf if x is None else problem.objective(x),
        resolution=limits.resolution,
        seconds=limits.seconds(),
    )
    verify(problem, finished)
    return finished
