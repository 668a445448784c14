"""Layers whose maps of channels are held as trains: what is held, and what it costs.

A weight as a train over factors of its outputs, its kernel and factors of its inputs
(Yin et al., CVPR 2021) is a chain of three stages: a map of the inputs, a convolution,
a map of the outputs. A map can be held as its cores, applied one after another, or
multiplied out; what has fewer weights is made.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise
from math import prod
from typing import NamedTuple

from ccsolve.bonds import modes_of
from ccsolve.factors import Factor

Shape = tuple[int, ...]


class Train(NamedTuple):
    """The map of channels of a stage as a train: its cores' shapes (r, mode, r').

    `inputs` says of which side the modes are: the last bond, else the first, is 1.
    """

    cores: tuple[Shape, ...]
    inputs: bool

    @property
    def weights(self) -> int:
        """How many weights the cores have."""
        return sum(map(prod, self.cores))

    @property
    def work(self) -> int:
        """Multiply-accumulates at one position, core by core from the last one.

        The modes not met yet go along (of inputs), or those already made (of outputs).
        """
        modes = [mode for _, mode, _ in self.cores]
        along = [
            prod(modes[:place] if self.inputs else modes[place + 1 :])
            for place in range(len(modes))
        ]
        pairs = zip(map(prod, self.cores), along, strict=True)
        return sum(size * times for size, times in pairs)


class Stages(NamedTuple):
    """The stages of a chain (n, c, kernel...), and the places that hold trains."""

    shapes: list[Shape]
    trains: dict[int, Train]

    @property
    def weights(self) -> int:
        """How many weights are held."""
        return sum(self.held)

    @property
    def held(self) -> list[int]:
        """The weights of every stage."""
        return [
            self.trains[place].weights if place in self.trains else prod(shape)
            for place, shape in enumerate(self.shapes)
        ]

    @property
    def work(self) -> list[int]:
        """Multiply-accumulates of every stage at one position."""
        return [
            self.trains[place].work if place in self.trains else prod(shape)
            for place, shape in enumerate(self.shapes)
        ]


def stages_of(factor: Factor, shape: Shape, ranks: Shape, groups: int = 1) -> Stages:
    """Give the stages of a weight (n, c, kernel...) factored to these ranks.

    In the order in which an input meets them. Of "tucker" and "tt" neighbours whose
    product has no more weights than they have are one stage; of the ways to hold the
    maps of a train the one of fewest weights, with fewest trains among equals. Groups
    of a convolution hold no trains.
    """
    if factor.format == "svd":
        return Stages(_halves(factor, shape, *ranks), {})
    apart = _apart(factor, shape, ranks)
    trains = _trains(factor, shape, ranks) if groups == 1 else {}
    ways = (
        _held(apart, {end: trains[end] for end in ends})
        for count in range(len(trains) + 1)
        for ends in combinations(trains, count)
    )
    return min(ways, key=lambda way: way.weights)


def _halves(factor: Factor, shape: Shape, rank: int) -> list[Shape]:
    n, c, *kernel = shape
    ones = (1,) * len(kernel)
    if factor.split == "spatial":
        return [(rank, c, kernel[0], *ones[1:]), (n, rank, 1, *kernel[1:])]
    return [(rank, c, *kernel), (n, rank, *ones)]


def _apart(factor: Factor, shape: Shape, ranks: Shape) -> list[Shape]:
    """Give all stages, none of them merged."""
    n, c, *kernel = shape
    ones = (1,) * len(kernel)
    if factor.format == "tucker":
        left, right = ranks
        middle = [(left, right, *kernel)]
    else:
        outs, inner, _ = modes_of(factor, shape)
        bonds = ranks[len(outs) - 1 : len(outs) + len(inner)]
        left, right = bonds[0], bonds[-1]
        middle = [
            (before, after, *_lengths(kernel, axis if len(inner) > 1 else None))
            for axis, (before, after) in enumerate(pairwise(bonds))
        ][::-1]
    return [(right, c, *ones), *middle, (n, left, *ones)]


def _trains(factor: Factor, shape: Shape, ranks: Shape) -> dict[int, Train]:
    """Give the trains that the first (0) and the last stage (-1) can be held as."""
    if factor.format != "tt":
        return {}
    outs, inner, ins = modes_of(factor, shape)
    bonds = (1, *ranks, 1)
    modes = (*outs, *inner, *ins)
    cores = [(bonds[place], mode, bonds[place + 1]) for place, mode in enumerate(modes)]
    found = {}
    if len(ins) > 1:
        found[0] = Train(tuple(cores[len(outs) + len(inner) :]), True)
    if len(outs) > 1:
        found[-1] = Train(tuple(cores[: len(outs)]), False)
    return found


def _held(apart: list[Shape], trains: dict[int, Train]) -> Stages:
    """Give the stages with these ends as trains, and what is between them merged."""
    first, last = 0 in trains, -1 in trains
    between = _merged(apart[first : len(apart) - last])
    shapes = [*apart[:1][:first], *between, *apart[-1:][:last]]
    return Stages(shapes, {end % len(shapes): one for end, one in trains.items()})


def _lengths(kernel: Sequence[int], axis: int | None) -> Shape:
    return tuple(
        length if axis is None or place == axis else 1
        for place, length in enumerate(kernel)
    )


def _merged(stages: list[Shape]) -> list[Shape]:
    """Merge the neighbours that save most, as long as no weight is added."""
    together = [_product(first, second) for first, second in pairwise(stages)]
    saved = [
        prod(first) + prod(second) - prod(one)
        for (first, second), one in zip(pairwise(stages), together, strict=True)
    ]
    if not saved or max(saved) < 0:
        return stages
    at = saved.index(max(saved))
    return _merged([*stages[:at], together[at], *stages[at + 2 :]])


def _product(first: Shape, second: Shape) -> Shape:
    return (second[0], first[1], *map(max, first[2:], second[2:]))
