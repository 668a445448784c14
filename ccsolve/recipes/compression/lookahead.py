"""What every remaining unit scores: its loss now, and what it leaves to lose.

score(q) = B(q) + γ·A(q), with W_q the weight after removing q, D_q = W_q - W,

    B(q) = ‖g∘D_q‖²,    A(q) = mean of ‖g∘(D_q + δ_u)‖² over the N - 1 units u left,

δ_u what removing u as well changes. The mean has a closed form, for the remaining
channels J resolve W_q, so do its components (h = 1 where the layer has them, else 0):
Σ_u δ_u = -(W_q restricted to J) - h·W_q, and Σ_u δ_u∘δ_u likewise, so that

    A(q) = Σ g²∘D_q² + [ -2 Σ g²∘D_q∘((1_J + h)∘W_q) + Σ_J g²∘W_q² + T(W_q) ] / (N - 1)

with T(W) = Σ_k Σ g²∘(s_k u_k v_kᵀ)². All terms are exact at O(1) decompositions a step,
but for T where q is a channel: see `scores`.
"""

from typing import NamedTuple

import numpy as np

from ccsolve.recipes.compression.components import (
    Components,
    components_of,
    spread_worth,
)
from ccsolve.recipes.compression.running import Running
from ccsolve.recipes.compression.sites import Array, Counts, Part

EXACT, FAST = "exact", "fast"


class Scores(NamedTuple):
    """Scores of classes (classes,), inf where gone, and of every layer's components."""

    classes: Array
    components: list[Array]


def scores(
    state: Running,
    components: list[Components],
    gamma: float,
    lookahead: str = FAST,
) -> Scores:
    """Give B + γ·A of all units that remain.

    Parameters
    ----------
    state
        The site.
    components
        What `Running.components` gives.
    gamma
        Weight of the look-ahead.
    lookahead
        "exact" decomposes the layer once for every channel. "fast" takes T of a channel
        as that of the present components without the channel's columns: their
        directions are held, which leaves out how they turn. All else is exact.
    """
    terms = [
        _terms(part, weight, parts, state, lookahead)
        for part, weight, parts in zip(
            state.site.parts, state.weights, components, strict=True
        )
    ]
    lost = sum(term.lost for term in terms)
    rest = sum(term.rest for term in terms)
    # Of the last unit nothing is left to look at.
    share = gamma / (state.remaining - 1) if state.remaining > 1 else 0.0

    def scored(lost_by: Array, rest_by: Array) -> Array:
        return (1.0 + gamma) * (lost + lost_by) + share * (rest + rest_by)

    of_classes = scored(
        sum((term.class_lost for term in terms), np.zeros(state.site.classes)),
        sum((term.class_rest for term in terms), np.zeros(state.site.classes)),
    )
    return Scores(
        np.where(state.gone, np.inf, of_classes),
        [scored(term.part_lost, term.part_rest) for term in terms],
    )


class _Terms(NamedTuple):
    """Of one layer: B and the bracket of A now, and their changes by every unit."""

    lost: float
    rest: float
    class_lost: Array
    class_rest: Array
    part_lost: Array
    part_rest: Array


class _Sums(NamedTuple):
    """Σ over rows of g²∘D², g²∘W², g²∘D∘W', g²∘W'², each (d,)."""

    off: Array
    whole: Array
    cross: Array
    left: Array


def _terms(
    part: Part, weight: Array, parts: Components, state: Running, lookahead: str
) -> _Terms:
    squared, off = part.squared, weight - part.weight
    sums = _Sums(
        *(
            np.einsum("ab,ab,ab->b", squared, first, second)
            for first, second in (
                (off, off),
                (part.weight, part.weight),
                (off, weight),
                (weight, weight),
            )
        )
    )
    own = (part.unit >= 0).astype(float)
    twice = own + (1.0 if part.components else 0.0)
    bracket = -2.0 * twice * sums.cross + own * sums.left
    total, by_class = _spread(part, weight, parts, state, lookahead)
    return _Terms(
        float(sums.off.sum()),
        float(bracket.sum()) + total,
        _by_class(part, sums.whole - sums.off, state),
        by_class - _by_class(part, bracket, state),
        *_of_components(part, weight, off, parts),
    )


def _by_class(part: Part, columns: Array, state: Running) -> Array:
    own, size = part.unit >= 0, state.site.classes
    found = np.bincount(part.unit[own], weights=columns[own], minlength=size)
    return found.astype(float)


def _spread(
    part: Part, weight: Array, parts: Components, state: Running, lookahead: str
) -> tuple[float, Array]:
    """Give T now, and its change by every class."""
    if not part.components:
        return 0.0, np.zeros(state.site.classes)
    columns = spread_worth(parts, part.squared)
    total = float(columns.sum())
    if lookahead == FAST:
        return total, -_by_class(part, columns, state)
    changes = np.zeros(state.site.classes)
    for unit in _read(part, state):
        without = np.where(part.unit == unit, 0.0, weight)
        fewer = components_of(without, min(parts.left.shape[1], *weight.shape))
        changes[unit] = float(fewer.worths(part.squared).sum()) - total
    return total, changes


def _read(part: Part, state: Running) -> Counts:
    """Give the classes that the layer reads and that have not gone."""
    read = np.unique(part.unit[part.unit >= 0])
    return read[~state.gone[read]]


def _of_components(
    part: Part, weight: Array, off: Array, parts: Components
) -> tuple[Array, Array]:
    """Give the changes of B and of the bracket by every component of the layer."""
    squared = part.squared
    worth = parts.worths(squared)
    with_off = parts.products(squared * off)
    with_left = parts.products(squared * weight)
    own = part.unit >= 0
    if own.all():
        worth_own, off_own, left_own = worth, with_off, with_left
    else:
        kept = Components(parts.left, parts.right * own[:, None])
        worth_own = kept.worths(squared)
        off_own = kept.products(squared * off)
        left_own = kept.products(squared * weight)
    lost = worth - 2.0 * with_off
    # Of D∘W', over the channels and over all: (D - T)(W' - T) less D∘W'.
    cross = worth - with_off - with_left
    cross_own = worth_own - off_own - left_own
    left = worth_own - 2.0 * left_own
    return lost, -2.0 * (cross_own + cross) + left - worth
