"""Methods and rankings side by side on programs: one scored run each."""

import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ccsolve.api import solve
from ccsolve.bench import rankings
from ccsolve.bench.recording import recorded
from ccsolve.bench.runs import FAILED, MISFIT, Run, here
from ccsolve.bench.scorer import score
from ccsolve.errors import UnknownMethod, Unsupported, WrongAnswer
from ccsolve.problems import ChannelSelection
from ccsolve.problems.generate import cancelling
from ccsolve.registry import find, rows_of
from ccsolve.registry import methods as methods_for
from ccsolve.solution import Stop

RANKING = "diagonal"
"""The ranking by what each channel costs alone: what toolkits do."""

ORACLES = ("milp", "enumerate_all", "sdp_cvxpy")
"""Methods that are there to check others; they run where they are named."""


@dataclass(frozen=True)
class Entry:
    """A program of a suite."""

    family: str
    instance: str
    problem: ChannelSelection


def default_methods(problem: ChannelSelection) -> list[str]:
    """Name the ranking and all methods that apply, without the oracles."""
    names = [row.name for row in methods_for(problem) if row.name not in ORACLES]
    return [RANKING, *names] if _can_rank(problem) else names


def require_known(names: Sequence[str]) -> None:
    """Refuse a name that no method has; UnknownMethod lists those that there are."""
    known = [RANKING, "auto", *(row.name for row in rows_of(ChannelSelection))]
    for name in names:
        if name not in known:
            raise UnknownMethod(f"no method {name!r}; known: {', '.join(known)}")


@functools.cache
def warm_up(method: str) -> None:
    """Load and compile what a method needs, so that no program pays for it."""
    if method == RANKING:
        return
    problem = cancelling(24)
    if _reason_against(problem, method) is not None:
        # It is for budgets.
        problem = ChannelSelection(problem.Q, keep=12, cost=np.ones(24), budget=12.0)
    # Ctrl-C ends a solve and not its caller; here it is meant for the caller.
    if solve(problem, method, 5.0, step_limit=20).stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt


def runs_of(
    suite: str, entry: Entry, method: str, time_limit: float, seeds: int
) -> Iterator[Run]:
    """Run a method on a program with seeds 0, 1, ...

    A method without randomness has one run. A method that cannot take the program, or
    whose answer does not survive `verify`, has one that says so.
    """
    problem = entry.problem
    empty = Run(
        suite=suite,
        instance=entry.instance,
        family=entry.family,
        n=problem.n,
        keep=problem.keep,
        competitor=method,
        seed=0,
        limit=time_limit,
        resolution=problem.resolution,
        **here(),
    )
    reason = _reason_against(problem, method)
    if reason is not None:
        yield replace(empty, status=MISFIT, note=reason)
        return
    for seed in range(seeds if _is_random(problem, method) else 1):
        yield (
            _ranked(empty, problem)
            if method == RANKING
            else _solved(replace(empty, seed=seed), problem)
        )


def _reason_against(problem: ChannelSelection, method: str) -> str | None:
    """Say why a method cannot take a program, None if it can."""
    if method == RANKING:
        return None if _can_rank(problem) else "it ranks under a cardinality alone"
    try:
        if method != "auto":
            find(method, problem)
    except Unsupported as error:
        return str(error)
    return None


def _is_random(problem: ChannelSelection, method: str) -> bool:
    if method == RANKING:
        return False
    return method == "auto" or "seed" in find(method, problem).options()


def _ranked(run: Run, problem: ChannelSelection) -> Run:
    start = time.perf_counter()
    z = rankings.diagonal(problem)
    seconds = time.perf_counter() - start
    return _with_points(replace(run, seconds=seconds), problem, [(seconds, z)])


def _solved(run: Run, problem: ChannelSelection) -> Run:
    try:
        warm_up(run.competitor)
        found = recorded(problem, run.competitor, run.limit, run.seed)
    except Unsupported as error:
        return replace(run, status=MISFIT, note=str(error))
    except WrongAnswer as error:
        return replace(run, status=FAILED, note=str(error))
    solution = found.solution
    timed = replace(
        run,
        seconds=solution.seconds,
        stop=solution.stop.value,
        bound=solution.bound,
        bounds=tuple(found.bounds),
    )
    return _with_points(timed, problem, found.points)


def _with_points(
    run: Run, problem: ChannelSelection, points: list[tuple[float, np.ndarray]]
) -> Run:
    """Score the points and keep those that were better than all before them."""
    curve: list[tuple[float, float]] = []
    best = None
    for seconds, z in points:
        value = score(problem, z)
        if not curve or value < curve[-1][1]:
            best = z
            curve.append((seconds, value))
    kept = "" if best is None else np.packbits(best).tobytes().hex()
    return replace(run, points=tuple(curve), objective=curve[-1][1], kept=kept)


def _can_rank(problem: ChannelSelection) -> bool:
    free = problem.cost is None and problem.fixed is None
    return free and problem.keep is not None
