"""Sites: layers that are compressed together, and the units that they consist of.

Collaborative Compression counts a layer's input channels and the singular components
of its weight as units of one kind. A channel that several layers read is one unit of
them all, so that a site is a set of layers which share input groups: one layer where
the network is a chain, as in the paper.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.recipes.chains import Chainable, chainables
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One layer of a site as a matrix.

    Attributes
    ----------
    name : of the layer.
    weight, squared : (n, d) W and g∘g, unfolded, channel-major. A grouped convolution
        stands as the block-diagonal map that it is.
    unit : (d,) which class of the site a column belongs to, -1 for none.
    components : min(n, d) where the layer can be a chain, else 0.
    macs : multiply-accumulates for each entry of the weight.
    rows : output group -> (size,) how many filters each of its classes has.
    """

    name: str
    weight: Array
    squared: Array
    unit: Counts
    components: int
    macs: float
    rows: Mapping[str, Counts]

    def columns(self, gone: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say of each column whether it is left when classes are gone, (d,)."""
        left = self.unit < 0
        left[~left] = ~gone[self.unit[~left]]
        return left


@dataclass(frozen=True, eq=False)
class Site:
    """Layers with all groups that they read and may lose classes of.

    Class j of group g is the site's class starts[g] + j; `classes` is their number.
    """

    parts: tuple[Part, ...]
    starts: Mapping[str, int]
    sizes: Mapping[str, int]

    @property
    def classes(self) -> int:
        """Number of channel units."""
        return sum(self.sizes.values())

    @property
    def units(self) -> int:
        """Number of units of both kinds."""
        return self.classes + sum(part.components for part in self.parts)

    @property
    def macs(self) -> float:
        """Multiply-accumulates of the dense layers."""
        return sum(part.macs * part.weight.size for part in self.parts)

    def of(self, group: str) -> slice:
        """Give the places of a group's classes."""
        start = self.starts[group]
        return slice(start, start + self.sizes[group])


def sites_of(
    stats: Statistics,
    leave_out: Collection[str] | None = None,
    *,
    slip: bool = False,
) -> list[Site]:
    """Give the sites of a network, in the order of their first layers.

    Parameters
    ----------
    stats
        With weights and their mean gradients: ``collect(..., layers="moments")``.
    leave_out
        Layers that stay as they are, and all groups that they read; by default the
        first and the last, as in the paper.
    slip
        Count min(n, c·k_h) components, as the authors' code does, in place of
        min(n, c·k_h·k_w).

    Raises
    ------
    InvalidProblem
        ``leave_out`` names a layer that there is not.
    MissingStatistics
        There are no layers, or one without the gradient of its weight.
    """
    taken, known = _taken(stats, leave_out), chainables(stats)
    free = _free_groups(stats, taken)
    sites = [
        _site(stats, {name: known.get(name) for name in names}, free, slip)
        for names in _together(taken, free)
    ]
    return [site for site in sites if site.units]


def _taken(stats: Statistics, leave_out: Collection[str] | None) -> dict[str, Layer]:
    if not stats.layers:
        raise MissingStatistics(
            "the statistics hold no layers; collect with layers='moments'"
        )
    names = list(stats.layers)
    left = {names[0], names[-1]} if leave_out is None else set(leave_out)
    unknown = sorted(left - set(names))
    if unknown:
        raise InvalidProblem(
            f"leave_out names the layer {unknown[0]!r}; expected some of "
            f"{', '.join(names)[:200]}"
        )
    taken = {name: stats.layers[name] for name in names if name not in left}
    for name, layer in taken.items():
        if layer.gradient is None:
            raise MissingStatistics(
                f"layers/{name}: no mean gradient of the weights was collected; "
                "collect it, or name the layer in leave_out"
            )
    return taken


def _free_groups(stats: Statistics, taken: Mapping[str, Layer]) -> set[str]:
    """Give the groups whose classes can go: every layer that reads them is taken."""
    readers = stats.layers.items()
    held = {group for name, one in readers if name not in taken for group in one.inputs}
    return {group for layer in taken.values() for group in layer.inputs} - held


def _together(taken: Mapping[str, Layer], free: set[str]) -> list[list[str]]:
    """Give the layers' names in sets that share a free group."""
    found: list[tuple[list[str], set[str]]] = []
    for name, layer in taken.items():
        groups, names = free & set(layer.inputs), [name]
        apart = []
        for others, theirs in found:
            if groups & theirs:
                names, groups = [*others, *names], groups | theirs
            else:
                apart.append((others, theirs))
        found = [*apart, (names, groups)]
    place = {name: index for index, name in enumerate(taken)}
    return sorted((names for names, _ in found), key=lambda names: place[names[0]])


def _site(
    stats: Statistics,
    layers: Mapping[str, Chainable | None],
    free: set[str],
    slip: bool,
) -> Site:
    read = [
        name for layer in layers for name in stats.layers[layer].inputs if name in free
    ]
    groups = list(dict.fromkeys(read))
    sizes = {name: stats.groups[name].size for name in groups}
    ends = np.cumsum([0, *sizes.values()])[:-1].tolist()
    starts = dict(zip(groups, ends, strict=True))
    parts = tuple(
        _part(stats, stats.layers[name], known, starts, slip)
        for name, known in layers.items()
    )
    return Site(parts, starts, sizes)


def _part(
    stats: Statistics,
    layer: Layer,
    known: Chainable | None,
    starts: Mapping[str, int],
    slip: bool,
) -> Part:
    weight, gradient = layer.weight, layer.gradient
    assert gradient is not None
    n, own = weight.shape[:2]
    lengths = {len(classes) for classes in layer.inputs.values()}
    channels = lengths.pop() if lengths else own
    whole = _unfolded(weight, channels // own)
    macs = known.dense()["macs"] / whole.size if known else 0.0
    plain = known is not None and not known.transposed and known.groups == 1
    plain = plain and macs > 0 and len(layer.outputs) <= 1
    kernel = weight[0, 0].size
    bound = own * weight.shape[2] if slip and weight.ndim > 2 else own * kernel
    return Part(
        name=layer.name,
        weight=whole,
        squared=np.square(_unfolded(gradient, channels // own)),
        unit=np.repeat(_units(layer, channels, starts), kernel),
        components=min(n, bound) if plain else 0,
        macs=macs,
        rows=dict(_rows(stats, layer)),
    )


def _unfolded(weight: np.ndarray, blocks: int) -> Array:
    """Give the (n, c·kernel) map in float64, of `blocks` weight groups."""
    flat = weight.reshape(len(weight), -1).astype(np.float64)
    if blocks == 1:
        return flat
    filters, d = len(flat) // blocks, flat.shape[1]
    whole = np.zeros((len(flat), blocks * d))
    for block in range(blocks):
        rows = slice(block * filters, (block + 1) * filters)
        whole[rows, block * d : (block + 1) * d] = flat[rows]
    return whole


def _units(layer: Layer, channels: int, starts: Mapping[str, int]) -> Counts:
    found = np.full(channels, -1)
    for name, start in starts.items():
        if name in layer.inputs:
            classes = layer.inputs[name]
            found[classes >= 0] = start + classes[classes >= 0]
    return found


def _rows(stats: Statistics, layer: Layer) -> Iterator[tuple[str, Counts]]:
    for name, classes in layer.outputs.items():
        size = stats.groups[name].size
        yield name, np.bincount(classes[classes >= 0], minlength=size)
