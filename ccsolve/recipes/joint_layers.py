"""Which layers the joint recipe may make bottlenecks of, what that loses and saves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria import Removal
from ccsolve.criteria.refitting import Reader, regular
from ccsolve.criteria.removal import RIDGE
from ccsolve.factors import Factor
from ccsolve.recipes.chains import Chainable, known_chains
from ccsolve.recipes.compression.metrics import layer_scales, whole_reader
from ccsolve.recipes.joint_bottlenecks import Bottleneck
from ccsolve.recipes.steps import Steps
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]
Widths = Mapping[str, int]
Ranks = tuple[int, int]
"""Channels out of and into the middle map: as `Factor` of "tucker" has them."""


@dataclass(frozen=True, eq=False)
class Narrow:
    """A layer that may become a bottleneck.

    Attributes
    ----------
    layer, chain : what it is, and what chains of it cost.
    reads, makes : the group of free width that it reads, and makes; None without.
    removals : by group, the order in which classes go.
    whole : the widths of groups where nothing is removed that can be.
    reader, moments : its data, and the ridged covariance.
    scale : makes its losses compare with those of other layers.
    """

    layer: Layer
    chain: Chainable
    reads: str | None
    makes: str | None
    removals: Mapping[str, Removal]
    whole: Widths
    reader: Reader
    moments: Array
    scale: float
    known: dict[tuple[int, ...], Bottleneck] = field(default_factory=dict)

    @property
    def between(self) -> bool:
        """Whether its widths are those of two free groups."""
        return None not in (self.reads, self.makes) and self.reads != self.makes

    @property
    def pointwise(self) -> bool:
        """Whether it has no kernel of more than one weight."""
        return prod(self.chain.shape[2:]) == 1

    @property
    def beyond(self) -> Widths:
        """The width of the group it makes, where all its filters count."""
        return {self.makes: self.whole[self.makes]} if self.between else {}  # pyright: ignore

    def shape(self, widths: Widths) -> tuple[int, ...]:
        """Give the shape of its weight at the widths."""
        rows, channels = self._left(widths, self.layer.outputs), self._channels(widths)
        n = len(self.layer.weight) if rows is None else int(rows.sum())
        return (n, int(channels.sum()), *self.chain.shape[2:])

    def costs(self, widths: Widths, ranks: Ranks | None) -> Mapping[str, float]:
        """Give its MACs and parameters at the widths, as it is or as a bottleneck."""
        return _cost(self.chain, self.shape(widths), self.sound(widths, ranks))

    def sound(self, widths: Widths, ranks: Ranks | None) -> Ranks | None:
        """Give ranks that it has room for at the widths, None where that saves none.

        None too where few channels come in and no one knows where strides stand.
        """
        shape = self.shape(widths)
        if ranks is None or 0 in shape:
            return None
        n, c, *kernel = shape
        out = min(ranks[0], n, min(ranks[1], c) * prod(kernel))
        into = min(ranks[1], c, out * prod(kernel))
        if into < c and not (self.pointwise or self.chain.strides):
            return None  # what a map ahead of the stride costs is not known
        made = _cost(self.chain, shape, (out, into))["params"]
        return (out, into) if made < prod(shape) else None

    def loss(self, widths: Widths, ranks: Ranks | None) -> float:
        """Give what the bottleneck adds to the loss of what the widths took."""
        if ranks is None:
            return 0.0
        return float(self.losses(widths, [ranks[1]], [ranks[0]])[0, 0])

    def losses(self, widths: Widths, ins: Sequence[int], outs: Sequence[int]) -> Array:
        """Give the same for all pairs of ranks, (len(ins), len(outs))."""
        return 0.5 * self.scale * self.bottleneck(widths).losses(ins, outs)

    def bottleneck(self, widths: Widths) -> Bottleneck:
        """Give the layer as it is fitted again to the columns it has left, O(d³).

        Filters that remain alone count, but where both widths are free: a filter that
        goes makes no bottleneck worse, so there all count, whatever goes.
        """
        rows = self._left({**widths, **self.beyond}, self.layer.outputs)
        channels = self._channels(widths)
        key = int(channels.sum()), -1 if rows is None else int(rows.sum())
        if key not in self.known:
            self.known[key] = self._fitted(channels, rows)
        return self.known[key]

    def _fitted(
        self, channels: NDArray[np.bool_], rows: NDArray[np.bool_] | None
    ) -> Bottleneck:
        h, dense = self.moments, self.reader.worth
        curvature = self.reader.curvature
        if rows is not None:
            dense, curvature = dense[:, rows], curvature[np.ix_(rows, rows)]
        columns = np.repeat(channels, prod(self.chain.shape[2:]))
        if columns.all():
            return Bottleneck(dense.T, h, curvature, len(channels))
        own = h[np.ix_(columns, columns)]
        again = np.linalg.solve(own, h[columns] @ dense)
        return Bottleneck(again.T, own, curvature, int(channels.sum()))

    def _channels(self, widths: Widths) -> NDArray[np.bool_]:
        left = self._left(widths, self.layer.inputs)
        return np.ones(self.chain.shape[1], dtype=bool) if left is None else left

    def _left(
        self, widths: Widths, sides: Mapping[str, NDArray[np.int64]]
    ) -> NDArray[np.bool_] | None:
        """Say which channels of a side are left at the widths; None for all."""
        left = None
        for group, classes in sides.items():
            stays = _staying(self.removals[group], widths[group], classes)
            left = stays if left is None else left & stays
        return left


def _staying(
    removal: Removal, width: int, classes: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say which channels, of these classes, stay at a width of their group."""
    kept = np.zeros(len(removal.order) + 1, dtype=bool)
    kept[removal.order[len(removal.order) - width :]] = True
    kept[-1] = True  # where -1 points to: channels of no class of the group
    return kept[classes]


@lru_cache(maxsize=2**16)
def _cost(
    chain: Chainable, shape: tuple[int, ...], ranks: Ranks | None
) -> Mapping[str, float]:
    now = replace(chain, shape=shape)
    return now.dense() if ranks is None else now.as_factored(factor(ranks))


def factor(ranks: Ranks) -> Factor:
    """Give the bottleneck as a plan has it."""
    return Factor("tucker", ranks)


def narrow_layers(
    stats: Statistics,
    steps: Steps,
    removals: Mapping[str, Removal],
    left_out: set[str],
) -> dict[str, Narrow]:
    """Give the layers that may become bottlenecks, by name.

    Plain convolutions and linear layers with moments that read at most one group of
    free width and make at most one.
    """
    free = {name for name, step in steps.items() if len(step) > 1}
    whole = {name: step[-1] for name, step in steps.items()}
    found = dict(_suitable(stats, free, left_out))
    scales = layer_scales(stats, found)
    return {
        name: Narrow(
            layer=stats.layers[name],
            chain=chain,
            reads=next(iter(free & set(stats.layers[name].inputs)), None),
            makes=next(iter(free & set(stats.layers[name].outputs)), None),
            removals=removals,
            whole=whole,
            reader=reader,
            moments=regular(reader, RIDGE),
            scale=scales[name],
        )
        for name, chain in found.items()
        for reader in [whole_reader(stats.layers[name])]
    }


def _suitable(
    stats: Statistics, free: set[str], left_out: set[str]
) -> Iterator[tuple[str, Chainable]]:
    for name, chain in known_chains(stats).items():
        layer = stats.layers[name]
        plain = chain.groups == 1 and not chain.transposed
        known = layer.input_moment is not None and layer.output_curvature is not None
        lengths = {len(classes) for classes in layer.inputs.values()}
        alone = max(len(free & set(side)) for side in (layer.inputs, layer.outputs)) < 2
        if plain and known and alone and lengths <= {layer.weight.shape[1]}:
            if name not in left_out:
                yield name, chain
