"""The reconstruction programs of all groups, one after the other."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ccsolve.api import solve
from ccsolve.criteria import score
from ccsolve.errors import InvalidProblem
from ccsolve.recipes.reconstructing.features import Classes
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.recipes.uniform import best
from ccsolve.solution import Solution, Stop
from ccsolve.statistics import Statistics

NONE, SCORED, PLANNED = "none", "scored", "planned"
SUPPRESSIONS = (NONE, SCORED, PLANNED)


class Search(NamedTuple):
    """How the programs are solved: a method, seconds for all of them, a seed."""

    method: str
    time_limit: float
    seed: int


def chosen(
    stats: Statistics,
    widths: Mapping[str, int],
    model: Model,
    suppression: str,
    search: Search,
) -> dict[str, Solution]:
    """Solve the programs of the groups that get narrower; what one leaves, others have.

    Parameters
    ----------
    suppression
        Which outputs of the readers are left out, for they will be pruned themselves:
        "none"; "scored": of each group the classes of the least Taylor score beyond its
        width; "planned": those that the plan removes: groups are decided last first.

    Returns
    -------
    Solutions by group, in the groups' order. After Ctrl-C the groups that are still to
    come have the first point of their method.
    """
    if suppression not in SUPPRESSIONS:
        raise InvalidProblem(
            f"suppression = {suppression!r}; expected one of {', '.join(SUPPRESSIONS)}"
        )
    narrowed = [name for name, k in widths.items() if k < stats.groups[name].size]
    staying = dict(_scored(stats, widths)) if suppression == SCORED else {}
    found: dict[str, Solution] = {}
    left = search.time_limit
    for done, name in enumerate(reversed(narrowed)):
        program = program_of(
            parts_of(stats, name, model, _others(staying, name)),
            widths[name],
            model.ridge,
        )
        begun, share = time.perf_counter(), left / (len(narrowed) - done)
        solution = solve(program, search.method, time_limit=share, seed=search.seed)
        left = max(0.0, left - (time.perf_counter() - begun))
        if solution.stop is Stop.INTERRUPTED:
            left = 0.0
        found[name] = solution
        if suppression == PLANNED:
            staying[name] = np.asarray(solution.x)
    return {name: found[name] for name in narrowed}


def _scored(stats: Statistics, widths: Mapping[str, int]) -> Classes:
    """Mark the classes of every group that its Taylor scores would keep."""
    masks = {}
    for name, width in widths.items():
        kept = best(score(stats, name, "taylor_per_sample"), width)
        masks[name] = np.isin(np.arange(stats.groups[name].size), kept)
    return masks


def _others(staying: Classes, group: str) -> Classes:
    """Leave out a group's own marks: its program is about to decide them."""
    return {name: mask for name, mask in staying.items() if name != group}
