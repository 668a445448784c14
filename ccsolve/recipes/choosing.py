"""CCP's programs of all groups: side by side, or each after the ones before it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ccsolve.api import solve
from ccsolve.batch import each, workers
from ccsolve.problems import ChannelSelection
from ccsolve.recipes.recollection import Recollect, taken_again
from ccsolve.solution import Solution, Stop
from ccsolve.statistics import Statistics


class Taylor(NamedTuple):
    """How the loss is modelled; see `Statistics.channel_selection`."""

    curvature: str
    damping: float
    first_order: float
    shrinkage: float | str
    target: str

    def program(self, stats: Statistics, group: str, width: int) -> ChannelSelection:
        """Give the group's program."""
        return stats.channel_selection(group, width, **self._asdict())

    def intensity(self, stats: Statistics, group: str) -> float:
        """Give how far the group's curvature is pulled to the target."""
        held = stats.groups[group]
        return held.intensity(self.curvature, self.shrinkage, self.target)


_PROVEN = 1e-6
"""The gap at which `solve` stops."""


class Choice(NamedTuple):
    """A group's solution, and how far its curvature was pulled to the target."""

    solution: Solution
    intensity: float


class _Task(NamedTuple):
    """A group's program, and the seconds that it has."""

    problem: ChannelSelection
    seconds: float
    seed: int


def side_by_side(
    stats: Statistics,
    widths: Mapping[str, int],
    taylor: Taylor,
    *,
    time_limit: float,
    n_jobs: int | None,
    seed: int,
) -> Iterator[tuple[str, Choice]]:
    """Solve the groups; each has its share of the time left when it is begun.

    One after the other only solving counts, not the loading of what solves: the first
    group's would take the time of all. Side by side it is the clock that counts.
    """
    begun = time.perf_counter()
    end = begun + time_limit
    at_once = workers(n_jobs)

    def tasks() -> Iterator[_Task]:
        for done, (name, width) in enumerate(widths.items()):
            problem = taylor.program(stats, name, width)
            share = min(at_once, len(widths) - done) / (len(widths) - done)
            yield _Task(problem, max(0.0, end - time.perf_counter()) * share, seed)

    found = each(_solved, tasks(), n_jobs=n_jobs)
    for name, solution in zip(widths, found, strict=True):
        now = time.perf_counter()
        if at_once == 1:
            end += max(0.0, now - begun - solution.seconds)
        begun = now
        if interrupted(solution):
            end = now
        yield name, Choice(solution, taylor.intensity(stats, name))


def in_turn(
    stats: Statistics,
    widths: Mapping[str, int],
    taylor: Taylor,
    recollect: Recollect,
    *,
    recipe: str,
    time_limit: float,
    seed: int,
) -> Iterator[tuple[str, Choice]]:
    """Solve one group after the other, each on statistics without what went before.

    Time is counted while programs are solved, not while statistics are taken or what
    solves is loaded. After an interrupt nothing is taken again: the last statistics
    serve the groups to come.
    """
    keep = {name: np.arange(group.size) for name, group in stats.groups.items()}
    now, left, stopped = stats, time_limit, False
    for done, (name, width) in enumerate(widths.items()):
        if done and not stopped:
            now = taken_again(recollect, stats, keep, name, recipe)
        share = left / (len(widths) - done)
        solution = _solved(_Task(taylor.program(now, name, width), share, seed))
        left = max(0.0, left - solution.seconds)
        if interrupted(solution):
            left, stopped = 0.0, True
        keep[name] = np.flatnonzero(solution.x)
        yield name, Choice(solution, taylor.intensity(now, name))


def interrupted(solution: Solution) -> bool:
    """Say whether Ctrl-C ended the search."""
    return solution.stop is Stop.INTERRUPTED


def _solved(task: _Task) -> Solution:
    """Solve a group; what was cut short is no worse than a greedy choice.

    The first points of searches that prove are there to begin with: on a ResNet-20
    some were ten times worse than taking the channels of the least own loss.
    """
    found = solve(task.problem, time_limit=task.seconds, seed=task.seed)
    if found.gap <= _PROVEN:
        return found
    greedy = solve(task.problem, "greedy", time_limit=None, seed=task.seed)
    if greedy.objective >= found.objective:
        return found
    return replace(
        found,
        x=greedy.x,
        objective=greedy.objective,
        method=f"{found.method}, greedy",
    )
