"""What layers may do at given widths: the ranks that no others are better than."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsolve.recipes.joint_layers import Narrow, Ranks, Widths

Array = NDArray[np.float64]

MOST = 32
"""Choices of ranks that are offered together at one width of a group."""


@dataclass(frozen=True)
class Choice:
    """Ranks of some layers, what they lose, and what the layers cost: (columns,)."""

    ranks: Mapping[str, Ranks]
    loss: float
    cost: tuple[float, ...]


@dataclass(frozen=True)
class Grid:
    """Which ranks are offered: multiples, at most `levels` of a side; None for all.

    Besides those the ones next to what was `chosen`.
    """

    kinds: tuple[str, ...]
    levels: int | None
    multiple: int
    chosen: Mapping[str, Ranks]

    def counts(self, total: int, near: int | None) -> list[int]:
        """Give how many channels of a side may be left."""
        steps = np.arange(self.multiple, total, self.multiple)
        every = np.append(steps, total)
        if self.levels is None or len(every) <= self.levels:
            return every.tolist()
        places = np.linspace(0, len(every) - 1, self.levels).round().astype(int)
        found = set(every[places].tolist())
        if near is not None:
            at = int(np.searchsorted(every, near))
            found |= set(every[max(at - 2, 0) : at + 3].tolist())
        return sorted(found)

    def pairs(self, layer: Narrow, widths: Widths) -> tuple[list[int], list[int]]:
        """Give the channels that may come in and go out of a layer.

        Without a kernel all are given: the two sides are then the same. All come in
        where it is not known what a map ahead of the kernel's stride costs.
        """
        n, c, *kernel = layer.shape({**widths, **layer.beyond})
        near = layer.sound(widths, self.chosen.get(layer.layer.name))
        outs = self.counts(n, near and near[0])
        if layer.pointwise:
            return [c], outs
        if not layer.chain.strides:
            return [c], [out for out in outs if out * np.prod(kernel) >= c] or outs[-1:]
        return self.counts(c, near and near[1]), outs


def choices(
    layers: Sequence[Narrow],
    widths: Widths,
    ends: Mapping[str, Sequence[int]],
    grid: Grid,
    most: int | None = MOST,
) -> list[Choice]:
    """Give the choices of ranks of all layers that none is better than.

    Costs have a column for every kind: at the widths, and at both of `ends` where a
    layer makes a group that is named there; what costs less at both is taken to do so
    between.
    """
    found = [Choice({}, 0.0, ())]
    for layer in layers:
        last = ends.get(layer.makes or "", ()) if layer.between else ()
        places = [{**widths, layer.makes or "": end} for end in last] or [widths]
        own = efficient(list(_own(layer, widths, places, grid)))
        found = thinned([_both(one, other) for one in found for other in own], most)
    return found


def efficient(every: Sequence[Choice]) -> list[Choice]:
    """Give the choices that no other is as good as in loss and every cost, O(n²)."""
    values = np.array([(choice.loss, *choice.cost) for choice in every])
    order, kept = np.lexsort(values.T[::-1]), list[int]()
    for place in order:
        if not (values[kept] <= values[place]).all(axis=1).any():
            kept.append(int(place))
    return [every[place] for place in kept]


def thinned(every: Sequence[Choice], most: int | None) -> list[Choice]:
    """Give the efficient choices; of too many those on the hull of loss over cost."""
    found = efficient(every)
    if most is None or len(found) <= most:
        return found
    paid = np.array([choice.cost for choice in found])
    along = (paid / np.abs(paid).max(axis=0).clip(min=1e-300)).sum(axis=1)
    hull = _hull(along, np.array([choice.loss for choice in found]))
    places = np.linspace(0, len(hull) - 1, min(most, len(hull))).round().astype(int)
    return [found[hull[place]] for place in places]


def _own(
    layer: Narrow, widths: Widths, places: Sequence[Widths], grid: Grid
) -> Iterator[Choice]:
    """Give the layer as it is, and as every bottleneck of the grid that saves."""
    yield Choice({}, 0.0, _column([layer.costs(at, None) for at in places], grid))
    if 0 in layer.shape(widths):
        return
    ins, outs = grid.pairs(layer, widths)
    losses = layer.losses(widths, ins, outs)
    for i, into in enumerate(ins):
        for o, out in enumerate(outs):
            # Without a kernel as few as go out come in, and nothing is lost by that.
            ranks = (out, out) if layer.pointwise else (out, into)
            if layer.sound({**widths, **layer.beyond}, ranks) == ranks:
                cost = [layer.costs(at, ranks) for at in places]
                named = {layer.layer.name: ranks}
                yield Choice(named, float(losses[i, o]), _column(cost, grid))


def _column(costs: Sequence[Mapping[str, float]], grid: Grid) -> tuple[float, ...]:
    return tuple(float(cost[kind]) for cost in costs for kind in grid.kinds)


def _both(one: Choice, other: Choice) -> Choice:
    """Give both choices as one; columns of one that is empty are the other's."""
    if not one.cost:
        return other
    wide, thin = sorted((one.cost, other.cost), key=len, reverse=True)
    again = len(wide) // len(thin)
    cost = tuple(a + b for a, b in zip(wide, thin * again, strict=True))
    return Choice({**one.ranks, **other.ranks}, one.loss + other.loss, cost)


def _hull(x: Array, y: Array) -> list[int]:
    """Give the places on the lower convex hull, x rising."""
    found: list[int] = []
    for at in np.lexsort((y, x)).tolist():
        while len(found) > 1 and _turns(x, y, found[-2], found[-1], at):
            found.pop()
        found.append(at)
    # Past the least loss further cost buys nothing.
    return found[: int(np.argmin(y[found])) + 1]


def _turns(x: Array, y: Array, a: int, b: int, c: int) -> bool:
    return bool((y[b] - y[a]) * (x[c] - x[a]) >= (y[c] - y[a]) * (x[b] - x[a]))
