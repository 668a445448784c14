"""Channels that leave one after the other, each time those that cost least."""

from collections.abc import Iterator

import numpy as np

from ccsolve.linalg.sweeping import Sweep


def removed(state: Sweep, keep: int, block: int = 1) -> Iterator[float]:
    """Remove channels down to ``keep``; give what the minimum rises by, each time.

    A block's rise is the sum of its channels' own; they raise it together by more.
    """
    while (left := int(state.inside.sum()) - keep) > 0:
        prices = np.where(state.inside, state.prices(), np.inf)
        chosen = np.argsort(prices, kind="stable")[: min(block, left)]
        rise = float(prices[chosen].sum())
        for channel in chosen:
            state.move(int(channel))
        yield rise


def added(state: Sweep, keep: int) -> Iterator[float]:
    """Add channels up to ``keep``, each the best; give what the minimum falls by."""
    while int(state.inside.sum()) < keep:
        prices = np.where(state.inside, -np.inf, state.prices())
        chosen = int(prices.argmax())
        state.move(chosen)
        yield float(prices[chosen])
