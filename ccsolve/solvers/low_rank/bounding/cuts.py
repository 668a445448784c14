"""Where a format's tensor is cut in two: each cut's unfolding has a bounded rank."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ccsolve.problems import LowRankFit
from ccsolve.problems.tensor_formats import Modes


@dataclass(frozen=True)
class Cut:
    """Some modes against the rest: Z's unfolding has rank at most Π ranks[bonds].

    Attributes
    ----------
    side : the modes of the unfolding's rows.
    bonds : the bonds that join them to the others.
    """

    side: tuple[int, ...]
    bonds: tuple[int, ...]


def cuts_of(problem: LowRankFit) -> list[Cut]:
    """Give the cuts that bound the problem, cheapest unfolding first.

    One for each bond; of a ring one for each two bonds, that is for each run of modes,
    or of single modes where ranks are chosen: those products make up its cost.
    """
    modes, d = problem.modes, len(problem.modes)
    match problem.format:
        case "tucker":
            found = [Cut((k,), (k,)) for k in range(d) if k not in problem.whole]
        case "tr":
            found = _of_ring(d, singles=problem.asks != "ranks")
        case _:
            found = [Cut(tuple(range(k)), (k - 1,)) for k in range(1, d)]
    return sorted(found, key=lambda cut: smaller_side(modes, cut.side))


def _of_ring(d: int, singles: bool) -> list[Cut]:
    """Bond k stands before mode k: modes i..j-1 hang on the bonds i and j."""
    if singles:
        runs = [(k, k + 1) for k in range(d if d > 1 else 0)]
    else:
        # A run that ends at the last mode is the complement of one that begins at 0.
        runs = list(combinations(range(d), 2))
    return [Cut(tuple(range(i, j)), (i, j % d)) for i, j in runs]


def smaller_side(modes: Modes, side: Sequence[int]) -> int:
    """Give the rows or the columns of an unfolding, whichever are fewer."""
    rows = math.prod(modes[k] for k in side)
    return min(rows, math.prod(modes) // rows)
