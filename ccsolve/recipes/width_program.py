"""The program that shares budgets over the widths of a network's groups."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ccsolve.problems import RateAllocation
from ccsolve.recipes.ladders import Ladder
from ccsolve.statistics import Statistics
from ccsolve.statistics.tables import CostTables, cost_tables, memory_tables

MEMORY = "memory"

MOST_ENTRIES = 8_000_000
"""Entries of all pair tables; beyond them the grids of widths are thinned."""


def allocation_program(
    stats: Statistics,
    limits: Mapping[str, float],
    rungs: Mapping[str, Ladder],
    peaks: Sequence[int] = (),
) -> RateAllocation:
    """Give the program that chooses a rung of every group's ladder.

    Layers are the groups in their order. The fixed part of the cost is taken off the
    budgets. Memory is the largest of many sums, one per step of the forward pass: the
    program has a budget for each step of `peaks`, after those of the other resources,
    and is a relaxation if other steps may be the peak.
    """
    names = list(rungs)
    tables = _columns(stats, limits, rungs, peaks)
    place = {name: index for index, name in enumerate(names)}
    amounts = [amount for name, amount in limits.items() if name != MEMORY]
    amounts += [limits[MEMORY] for _ in peaks]
    # What is left after the fixed part may be a rounding below nothing.
    budgets = np.maximum(np.array(amounts) - tables.fixed, 0.0)
    return RateAllocation(
        [rungs[name].losses for name in names],
        [tables.own[name] for name in names],
        budgets,
        {(place[a], place[b]): table for (a, b), table in tables.pairs.items()},
    )


def peak_step(stats: Statistics, widths: Mapping[str, int]) -> int:
    """Give the step of the forward pass that takes the most memory at the widths."""
    grids = {name: [width] for name, width in widths.items()}
    return int(memory_tables(stats, grids).fixed.argmax())


def _columns(
    stats: Statistics,
    limits: Mapping[str, float],
    rungs: Mapping[str, Ladder],
    peaks: Sequence[int],
) -> CostTables:
    """Give the tables of the additive resources, then of memory at some steps."""
    grids = {name: ladder.widths.tolist() for name, ladder in rungs.items()}
    additive = [name for name in limits if name != MEMORY]
    sums = cost_tables(stats, additive, grids)
    if not peaks:
        return sums
    steps, chosen = memory_tables(stats, grids), list(peaks)
    pairs = {}
    for edge in dict.fromkeys((*sums.pairs, *steps.pairs)):
        shape = tuple(len(grids[name]) for name in edge)
        left = sums.pairs.get(edge, np.zeros((*shape, len(additive))))
        right = steps.pairs.get(edge, np.zeros((*shape, len(steps.fixed))))
        pairs[edge] = np.concatenate([left, right[..., chosen]], axis=-1)
    return CostTables(
        np.concatenate([sums.fixed, steps.fixed[chosen]]),
        {
            name: np.concatenate([own, steps.own[name][:, chosen]], axis=-1)
            for name, own in sums.own.items()
        },
        pairs,
    )


def thinned(
    stats: Statistics,
    limits: Mapping[str, float],
    rungs: Mapping[str, Ladder],
    start: Callable[[], Mapping[str, int]],
) -> dict[str, Ladder]:
    """Give ladders whose pair tables are affordable; the same ones if they are.

    The longest ladder loses every second rung, again and again; the narrowest, the
    dense and the width that `start` gives always stay.
    """
    kept, pairs = dict(rungs), _pairs(stats, limits, rungs)
    while _entries(kept, pairs) > MOST_ENTRIES:
        longest = max(kept, key=lambda name: len(kept[name].widths))
        kept[longest] = _every_second(kept[longest], start()[longest])
    return kept


def _pairs(
    stats: Statistics, limits: Mapping[str, float], rungs: Mapping[str, Ladder]
) -> set[tuple[str, str]]:
    """Give the pairs of groups that have a table, from tables of the ladders' ends."""
    ends = {name: ladder.widths[[0, -1]].tolist() for name, ladder in rungs.items()}
    additive = [name for name in limits if name != MEMORY]
    found = set(cost_tables(stats, additive, ends).pairs)
    return found | (
        set(memory_tables(stats, ends).pairs) if MEMORY in limits else set()
    )


def _entries(rungs: Mapping[str, Ladder], pairs: set[tuple[str, str]]) -> int:
    return sum(len(rungs[a].widths) * len(rungs[b].widths) for a, b in pairs)


def _every_second(ladder: Ladder, start: int) -> Ladder:
    stays = np.zeros(len(ladder.widths), dtype=bool)
    stays[::2] = stays[-1] = True
    stays |= ladder.widths == start
    return Ladder(ladder.widths[stays], ladder.losses[stays])
