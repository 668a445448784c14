"""Solve programs by the solver and by heuristics, each within its share of the time."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np

from ccsolve.api import pick, solve
from ccsolve.bench import rankings
from ccsolve.bench.programs import Program
from ccsolve.bench.rows import SOLVER, Row
from ccsolve.bench.scorer import score
from ccsolve.problems.generate import cancelling
from ccsolve.solution import Solution, Stop

LEAST_SHARE = 0.05
"""Seconds that a program gets even when the others have used up the time."""


@dataclass(frozen=True)
class Clock:
    """The time that all programs have together; it runs from its making."""

    seconds: float
    started: float = field(default_factory=time.perf_counter)

    def remaining(self) -> float:
        """Give the seconds left, never below 0."""
        return max(0.0, self.seconds - (time.perf_counter() - self.started))


def warm_up() -> None:
    """Compile what the comparison will run, so that no program pays for it.

    KeyboardInterrupt where Ctrl-C cut it: `solve` takes that for the end of its run.
    """
    for n in (6, 48):
        problem = cancelling(n)
        for method in ("greedy", pick(problem)):
            solution = solve(problem, method, time_limit=None, step_limit=20)
            if solution.stop is Stop.INTERRUPTED:
                raise KeyboardInterrupt


def compare(
    programs: Sequence[Program], clock: Clock, seed: int = 0, jobs: int = 1
) -> Iterator[list[Row]]:
    """Give the rows of each program, in order, as they are finished.

    A program that is not settled at once gets an equal share of what is left of the
    time. It ends early after a program that was interrupted.
    """
    tasks = (
        joblib.delayed(rows_of)(program, share, seed)
        for program, share in _shares(programs, clock, jobs)
    )
    # One task at a time, dispatched late: a share is what is left when it begins.
    parallel: Any = joblib.Parallel(
        n_jobs=jobs,
        return_as="generator",
        pre_dispatch="n_jobs",
        batch_size=1,  # pyright: ignore[reportArgumentType]
    )
    for rows in parallel(tasks):
        yield rows
        if any(row.stop == Stop.INTERRUPTED.value for row in rows):
            return


def rows_of(program: Program, time_limit: float, seed: int) -> list[Row]:
    """Give the rows of one program: the rankings, greedy, and last the solver."""
    problem = program.problem
    rows = [_ranked(program, "diagonal", functools.partial(rankings.diagonal, problem))]
    for name, scores in program.scores.items():
        choose = functools.partial(rankings.top, scores, problem.keep)
        rows.append(_ranked(program, name, choose))
    for name, method in (("greedy", "greedy"), (SOLVER, "auto")):
        solution = solve(problem, method, time_limit, seed=seed)
        rows.append(_solved(program, name, solution, time_limit, seed))
    return rows


def _shares(
    programs: Sequence[Program], clock: Clock, jobs: int
) -> Iterator[tuple[Program, float]]:
    """Give each program its share; those that are enumerated leave theirs to others."""
    enumerated = [pick(program.problem) == "enumerate_all" for program in programs]
    for index, program in enumerate(programs):
        waiting = max(1, enumerated[index:].count(False))
        yield program, max(LEAST_SHARE, clock.remaining() * jobs / waiting)


def _ranked(program: Program, method: str, choose: Callable[[], np.ndarray]) -> Row:
    start = time.perf_counter()
    z = choose()
    seconds = time.perf_counter() - start
    value = score(program.problem, z)
    return Row(**_key(program), method=method, objective=value, seconds=seconds)


def _solved(
    program: Program, method: str, solution: Solution, time_limit: float, seed: int
) -> Row:
    return Row(
        **_key(program),
        method=method,
        objective=score(program.problem, solution.x),
        seconds=solution.seconds,
        solved_by=solution.method,
        bound=solution.bound,
        gap=solution.gap,
        natural_gap=solution.natural_gap,
        cancels=solution.cancels,
        stop=solution.stop.value,
        time_limit=time_limit,
        seed=seed,
    )


def _key(program: Program) -> dict[str, Any]:
    problem = program.problem
    key = {"family": program.family, "instance": program.instance}
    return {**key, "n": problem.n, "keep": problem.keep}
