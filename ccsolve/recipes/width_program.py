"""The program that shares budgets over the widths of a network's groups."""

from collections.abc import Mapping

import numpy as np

from ccsolve.problems import RateAllocation
from ccsolve.recipes.ladders import Ladder
from ccsolve.statistics import Statistics
from ccsolve.statistics.tables import cost_tables

MOST_ENTRIES = 8_000_000
"""Entries of all pair tables; beyond them the grids of widths are thinned."""


def allocation_program(
    stats: Statistics, limits: Mapping[str, float], rungs: Mapping[str, Ladder]
) -> RateAllocation:
    """Give the program that chooses a rung of every group's ladder.

    Layers are the groups in their order. The fixed part of the cost is taken off the
    budgets.
    """
    names = list(rungs)
    grids = {name: rungs[name].widths.tolist() for name in names}
    tables = cost_tables(stats, list(limits), grids)
    place = {name: index for index, name in enumerate(names)}
    # What is left after the fixed part may be a rounding below nothing.
    budgets = np.maximum(np.array(list(limits.values())) - tables.fixed, 0.0)
    return RateAllocation(
        [rungs[name].losses for name in names],
        [tables.own[name] for name in names],
        budgets,
        {(place[a], place[b]): table for (a, b), table in tables.pairs.items()},
    )


def thinned(
    stats: Statistics, rungs: Mapping[str, Ladder], start: Mapping[str, int]
) -> dict[str, Ladder]:
    """Give ladders whose pair tables are affordable; the same ones if they are.

    The longest ladder loses every second rung, again and again; the narrowest, the
    dense and the starting width always stay.
    """
    pairs = {
        tuple(term.groups)
        for operation in stats.operations
        for term in operation.terms
        if len(set(term.groups)) == 2
    }
    kept = dict(rungs)
    while _entries(kept, pairs) > MOST_ENTRIES:
        longest = max(kept, key=lambda name: len(kept[name].widths))
        kept[longest] = _every_second(kept[longest], start[longest])
    return kept


def _entries(rungs: Mapping[str, Ladder], pairs: set[tuple[str, ...]]) -> int:
    return sum(len(rungs[a].widths) * len(rungs[b].widths) for a, b in pairs)


def _every_second(ladder: Ladder, start: int) -> Ladder:
    stays = np.zeros(len(ladder.widths), dtype=bool)
    stays[::2] = stays[-1] = True
    stays |= ladder.widths == start
    return Ladder(ladder.widths[stays], ladder.losses[stays])
