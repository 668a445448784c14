"""The best price of one constraint: a concave function of it, bracketed by tangents."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

EDGE = 0.1
"""Part of the bracket that a new price stays away from either end."""

GROWTH = 4.0
"""By which a price grows while the budget does not hold."""


class Probe(NamedTuple):
    """L(price) ≥ value, and how much the point there spends above the limit."""

    price: float
    value: float
    excess: float


@dataclass(frozen=True)
class Bracket:
    """The largest price known to overspend, and the least known not to.

    L(t) = min over z of f(z) + t(costᵀz - limit) is concave, and the excess of a point
    that attains it is a slope: L lies below the tangents of both ends.
    """

    low: Probe | None = None
    high: Probe | None = None

    def narrowed(self, probe: Probe) -> "Bracket":
        """Give the bracket with one end moved to a probe between its ends."""
        if probe.excess > 0:
            return replace(self, low=probe)
        return replace(self, high=probe)

    def best(self) -> Probe:
        """Give the end of the larger value."""
        ends = [end for end in (self.low, self.high) if end is not None]
        return max(ends, key=lambda end: end.value)

    def promise(self) -> float:
        """Give what the tangents leave above the better end; inf with an open end."""
        low, high = self.low, self.high
        if low is None:
            return math.inf if high and high.price > 0 else 0.0
        if high is None:
            return math.inf
        fall = low.excess - high.excess
        rise = high.value - low.value - high.excess * (high.price - low.price)
        meeting = low.value + low.excess * rise / fall
        return max(0.0, meeting - self.best().value)

    def next_price(self, guess: float) -> float | None:
        """Give a price within the bracket, None where none is needed.

        With both ends it is where the excess would vanish if it fell along a line, kept
        away from the ends; without an upper end, the guess or a multiple of the last;
        without a lower one, 0.
        """
        low, high = self.low, self.high
        if low is None:
            return 0.0 if high and high.price > 0 else None
        if high is None:
            return max(guess, GROWTH * low.price)
        share = low.excess / (low.excess - high.excess)
        share = min(max(share, EDGE), 1.0 - EDGE)
        price = low.price + share * (high.price - low.price)
        return price if low.price < price < high.price else None
