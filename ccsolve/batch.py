"""Independent work through joblib: on this machine's cores, or on a cluster.

Nothing here says where the work is done. ``n_jobs`` takes cores of this machine; inside
``joblib.parallel_config(backend="dask")`` the same call runs on a Dask cluster, inside
``backend="ray"`` on Ray. The answers are those of a run in series.
"""

import math
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from numbers import Integral
from typing import Any, TypeVar, cast

import joblib

from ccsolve.api import solve
from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.handling import handling_of
from ccsolve.solution import Solution, Stop

Item = TypeVar("Item")
Result = TypeVar("Result")

Watching = Callable[[int, Any], Any]
"""Called with the number of results so far and the latest; a true answer cancels."""


def each(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    n_jobs: int | None = None,
    callback: Watching | None = None,
) -> Iterator[Result]:
    """Give work(item) for every item, in their order, as they come.

    Parameters
    ----------
    work
        A function that can be pickled: defined in a module.
    items
        Taken as they are needed, a few per worker ahead.
    n_jobs
        Cores, -1 for all; None for one, or what ``joblib.parallel_config`` says.
    callback
        Called after every result with how many there are and the latest. A true answer
        cancels: no further item is begun and nothing further is given.

    Raises
    ------
    InvalidProblem
        ``n_jobs`` is 0 or no integer.
    Exception
        What ``work`` raises; results given before it are the caller's.
    """
    workers(n_jobs)
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    tasks = (joblib.delayed(work)(item) for item in items)
    results = cast("Generator[Result]", parallel(tasks))
    try:
        for count, result in enumerate(results, start=1):
            yield result
            if callback is not None and callback(count, result):
                return
    finally:
        # What runs is abandoned, what waits is dropped: as asked, so without a warning.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


def workers(n_jobs: int | None) -> int:
    """Give how many items are worked on at a time; `InvalidProblem` for 0."""
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise InvalidProblem(
            f"n_jobs {n_jobs!r}; expected a number of cores, -1 for all, or None"
        )
    # None is what joblib is configured to; its types do not say so.
    return joblib.effective_n_jobs(n_jobs)  # pyright: ignore[reportArgumentType]


def solve_all(
    problems: Iterable[Any],
    method: str = "auto",
    *,
    n_jobs: int | None = None,
    callback: Watching | None = None,
    **options: Any,
) -> list[Solution]:
    """Solve independent problems, in parallel where asked.

    Parameters
    ----------
    problems
        Any problems of ccsolve.
    method, **options
        As `solve` takes them, the same for all: ``time_limit``, ``gap``, ``seed``, ...
        A time limit is each problem's own.
    n_jobs, callback
        See `each`. A callback that cancels leaves the problems to come unsolved: their
        solutions hold a feasible point without search and say ``Stop.CALLBACK``.
        Ctrl-C does the same and says ``Stop.INTERRUPTED``.

    Returns
    -------
    One solution for every problem, in their order: those of a run in series under work
    limits, and under time limits up to where the clocks cut. Where only solving could
    tell that there is no point, the solution claims ``Claim.INFEASIBLE``, its bound is
    inf and ``extra["infeasible"]`` says why.

    Examples
    --------
    >>> import numpy as np
    >>> import ccsolve
    >>> Q = np.diag([3.0, 1.0, 2.0])
    >>> problems = [ccsolve.ChannelSelection(Q, keep=keep) for keep in (1, 2)]
    >>> [solution.objective for solution in ccsolve.solve_all(problems)]
    [1.0, 3.0]
    """
    given = list(problems)
    found: list[Solution] = []
    stop = Stop.CALLBACK
    try:
        work = _Solving(method, options)
        for solution in each(work, given, n_jobs=n_jobs, callback=callback):
            found.append(solution)
            # A solve takes Ctrl-C for the end of its own run; it is meant for all.
            if solution.stop is Stop.INTERRUPTED:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        stop = Stop.INTERRUPTED
    return found + [_unsolved(problem, stop) for problem in given[len(found) :]]


class _Solving:
    """`solve` with its options; an object, so that it can be pickled."""

    def __init__(self, method: str, options: dict[str, Any]) -> None:
        self.method, self.options = method, options

    def __call__(self, problem: Any) -> Solution:
        try:
            return solve(problem, self.method, **self.options)
        except Infeasible as reason:
            # One that has no point must not lose those that have.
            extra = {"infeasible": str(reason)}
            return Solution(None, math.inf, math.inf, Stop.FINISHED, extra=extra)


def _unsolved(problem: Any, stop: Stop) -> Solution:
    """Give what is known of a problem that nobody looked at."""
    x = handling_of(problem).feasible_point(problem)
    if x is None:
        return Solution(None, math.inf, -math.inf, stop)
    point = handling_of(problem).as_point(x)
    return Solution(point, problem.objective(point), -math.inf, stop, seconds=0.0)
