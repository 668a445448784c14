"""Descent by swaps of a channel that is kept with one that is not."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ccsolve.linalg.sweeping import Sweep

Rule = Literal["first", "best"]


def descended(state: Sweep, least: float, rule: Rule) -> Iterator[float]:
    """Swap until no swap lowers the minimum by more than ``least``; give each fall.

    Rows of the table of swaps are looked at, one kept channel against all others, 0.0
    for a row without a swap. "first" makes the best swap of a row at once, the cheapest
    channel first, and goes on behind it; "best" makes the best of the whole table.
    """
    turn = _first_swaps if rule == "first" else _best_swap
    moved = True
    while moved:
        moved = False
        for fall in turn(state, least):
            moved |= fall > 0
            yield fall


def _first_swaps(state: Sweep, least: float) -> Iterator[float]:
    for channel in _cheapest_first(state):
        other, fall = _best_of_row(state, channel)
        if fall > least:
            swap(state, channel, other)
        yield fall if fall > least else 0.0


def _best_swap(state: Sweep, least: float) -> Iterator[float]:
    best = (least, -1, -1)
    for channel in _cheapest_first(state):
        other, fall = _best_of_row(state, channel)
        best = max(best, (fall, channel, other))
        yield 0.0
    fall, channel, other = best
    if channel >= 0:
        swap(state, channel, other)
        yield fall


def swap(state: Sweep, channel: int, other: int) -> None:
    """Let a channel leave and another enter; O(d²·group)."""
    state.move(channel)
    state.move(other)


def _cheapest_first(state: Sweep) -> list[int]:
    """Give the channels inside by price; none where all are: nothing can be swapped."""
    if state.inside.all():
        return []
    prices = np.where(state.inside, state.prices(), np.inf)
    order = np.argsort(prices, kind="stable")[: int(state.inside.sum())]
    return [int(channel) for channel in order]


def _best_of_row(state: Sweep, channel: int) -> tuple[int, float]:
    exchange = state.exchange(channel)
    best = int(exchange.falls.argmax())
    return int(exchange.blocks[best]), float(exchange.falls[best])
