"""Solutions at falling budgets, each a part of the next."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

Between = Mapping[str, tuple[int, int]]

ANY = sys.maxsize


class Widths(Protocol):
    """What has widths by group."""

    @property
    def widths(self) -> Mapping[str, int]:
        """The widths."""
        ...


Point = TypeVar("Point", bound=Widths)


def chains(
    free: Sequence[Point], solve: Callable[[Point, Between], Point]
) -> list[list[Point]]:
    """Give chains of nested points, by rising budget as `free` is.

    Each starts at a point as it is, the smallest budget's, the middle one's or the
    largest's, and goes on from there: a smaller budget has no group wider than its
    neighbour's, a larger one none narrower. `solve` takes the point of a budget alone
    and, by group, the least and the largest width.
    """
    starts = dict.fromkeys((0, len(free) // 2, len(free) - 1)) if free else {}
    return [_chain(free, start, solve) for start in starts]


def _chain(
    free: Sequence[Point], start: int, solve: Callable[[Point, Between], Point]
) -> list[Point]:
    chain = {start: free[start]}
    for place in range(start - 1, -1, -1):
        wider = chain[place + 1].widths
        between = {name: (0, width) for name, width in wider.items()}
        chain[place] = solve(free[place], between)
    for place in range(start + 1, len(free)):
        narrower = chain[place - 1].widths
        between = {name: (width, ANY) for name, width in narrower.items()}
        chain[place] = solve(free[place], between)
    return [chain[place] for place in range(len(free))]
