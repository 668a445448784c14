"""The reconstruction programs of all groups, one after the other."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ccsolve.api import solve
from ccsolve.criteria import score
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems import ReconstructionSelection
from ccsolve.recipes.recollection import Recollect, taken_again
from ccsolve.recipes.reconstructing.features import Classes
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.recipes.uniform import best
from ccsolve.solution import Solution, Stop
from ccsolve.statistics import Statistics

NONE, SCORED, PLANNED = "none", "scored", "planned"
SUPPRESSIONS = (NONE, SCORED, PLANNED)


@dataclass
class Search:
    """How programs are solved: a method, seconds left for all of them, a seed."""

    method: str
    time_limit: float
    seed: int

    def solution(self, program: ReconstructionSelection, programs: int) -> Solution:
        """Solve the next of so many programs in its share of the seconds left."""
        begun, share = time.perf_counter(), self.time_limit / programs
        found = solve(program, self.method, time_limit=share, seed=self.seed)
        left = self.time_limit - (time.perf_counter() - begun)
        self.time_limit = 0.0 if interrupted(found) else max(0.0, left)
        return found


def chosen(
    stats: Statistics,
    widths: Mapping[str, int],
    model: Model,
    suppression: str,
    search: Search,
) -> dict[str, Solution]:
    """Solve the programs of the groups that get narrower, last first; by group.

    Parameters
    ----------
    suppression
        Which outputs of the readers are left out, for they will be pruned themselves:
        "none"; "scored": of each group the classes of the least Taylor score beyond its
        width; "planned": those that the plan removes: groups behind are decided then.
    search
        Its seconds are used up. After Ctrl-C the groups that are still to come have the
        first point of their method.
    """
    _check(suppression)
    names = _narrowed(stats, widths)
    staying = _scored(stats, widths) if suppression == SCORED else {}
    found: dict[str, Solution] = {}
    for done, name in enumerate(reversed(names)):
        parts = parts_of(stats, name, model, _others(staying, name))
        program = program_of(parts, widths[name], model.ridge)
        found[name] = search.solution(program, len(names) - done)
        if suppression == PLANNED:
            staying[name] = np.asarray(found[name].x)
    return {name: found[name] for name in names}


def chosen_in_turn(
    stats: Statistics,
    widths: Mapping[str, int],
    model: Model,
    suppression: str,
    search: Search,
    recollect: Recollect,
    recipe: str,
) -> dict[str, Solution]:
    """Solve the programs in the groups' order, each on what those before it have left.

    Moments and outputs are those of the network that `recollect` gives, which is
    repaired as a rule. `suppression` is "none" or "scored": later groups are not
    decided yet. After Ctrl-C nothing is taken again.
    """
    _check(suppression)
    if suppression == PLANNED:
        raise Unsupported(
            f"suppression = {PLANNED!r} with recollect, where later groups are decided "
            f"later; take {SCORED!r} or {NONE!r}"
        )
    names, now = _narrowed(stats, widths), stats
    staying = _scored(stats, widths) if suppression == SCORED else {}
    keep = {name: np.arange(group.size) for name, group in stats.groups.items()}
    found: dict[str, Solution] = {}
    for done, name in enumerate(names):
        if done and not any(map(interrupted, found.values())):
            now = taken_again(recollect, stats, keep, name, recipe)
        parts = parts_of(now, name, model, _others(staying, name))
        program = program_of(parts, widths[name], model.ridge)
        found[name] = search.solution(program, len(names) - done)
        keep[name] = np.flatnonzero(found[name].x)
        # What is cut in the next statistics has no more classes to leave out.
        staying.pop(name, None)
    return found


def interrupted(solution: Solution) -> bool:
    """Say whether Ctrl-C ended the search."""
    return solution.stop is Stop.INTERRUPTED


def _check(suppression: str) -> None:
    if suppression not in SUPPRESSIONS:
        raise InvalidProblem(
            f"suppression = {suppression!r}; expected one of {', '.join(SUPPRESSIONS)}"
        )


def _narrowed(stats: Statistics, widths: Mapping[str, int]) -> list[str]:
    return [name for name, k in widths.items() if k < stats.groups[name].size]


def _scored(stats: Statistics, widths: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Mark the classes of every group that its Taylor scores would keep."""
    masks = {}
    for name, width in widths.items():
        kept = best(score(stats, name, "taylor_per_sample"), width)
        masks[name] = np.isin(np.arange(stats.groups[name].size), kept)
    return masks


def _others(staying: Classes, group: str) -> Classes:
    """Leave out a group's own marks: its program is about to decide them."""
    return {name: mask for name, mask in staying.items() if name != group}
