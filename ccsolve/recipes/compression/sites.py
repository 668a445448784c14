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
from ccsolve.recipes.compression.metrics import GRADIENT, entry_worths, layer_scales
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One layer of a site as a matrix.

    Attributes
    ----------
    name : of the layer.
    weight, squared : (n, d) W and what the square of a change counts (`entry_worths`),
        unfolded, channel-major. A grouped convolution stands as the block-diagonal map
        that it is.
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
    def alone(self) -> bool:
        """Whether it is one layer, which reads one group at most."""
        return len(self.parts) == 1 and len(self.sizes) <= 1

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
    metric: str = GRADIENT,
) -> list[Site]:
    """Give the sites of a network, in the order of their first layers.

    Parameters
    ----------
    stats
        With what the metric takes: ``collect(..., layers="gradients")`` for the mean
        gradients of the weights, "moments" for all.
    leave_out
        Layers that stay as they are, and all groups that they read; see `left_out`.
    slip
        Count min(n, c·k_h) components, as the authors' code does, in place of
        min(n, c·k_h·k_w).
    metric
        "gradient", or another: what squares of changes count, see `entry_worths`.

    Raises
    ------
    InvalidProblem
        ``leave_out`` names a layer that there is not.
    MissingStatistics
        There are no layers, or one without what the metric takes.
    """
    left, known = left_out(stats, leave_out), chainables(stats)
    taken = {name: one for name, one in stats.layers.items() if name not in left}
    scales = {} if metric == GRADIENT else layer_scales(stats, taken)
    worths = {n: entry_worths(one, scales.get(n)) for n, one in taken.items()}
    free = _free_groups(stats, taken)
    sites = [
        _site(
            stats, {name: (known.get(name), worths[name]) for name in names}, free, slip
        )
        for names in _together(taken, free)
    ]
    return [site for site in sites if site.units]


def left_out(stats: Statistics, leave_out: Collection[str] | None) -> set[str]:
    """Give the layers that stay whole: by default the first and the last, as in CC.

    Raises
    ------
    InvalidProblem
        It names a layer that there is not, or is no collection of names.
    MissingStatistics
        There are no layers.
    """
    if not stats.layers:
        raise MissingStatistics(
            "the statistics hold no layers; collect with layers='moments'"
        )
    names = list(stats.layers)
    if leave_out is None:
        return {names[0], names[-1]}
    if isinstance(leave_out, str) or not isinstance(leave_out, Collection):
        raise InvalidProblem(
            f"leave_out = {leave_out!r:.80}; expected a list of names of layers"
        )
    unknown = [name for name in leave_out if name not in stats.layers]
    if unknown:
        raise InvalidProblem(
            f"leave_out names the layer {unknown[0]!r}; expected some of "
            f"{', '.join(names)[:200]}"
        )
    return set(leave_out)


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
    layers: Mapping[str, tuple[Chainable | None, np.ndarray]],
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
        _part(stats, stats.layers[name], known, worths, starts, slip)
        for name, (known, worths) in layers.items()
    )
    return Site(parts, starts, sizes)


def _part(
    stats: Statistics,
    layer: Layer,
    known: Chainable | None,
    worths: np.ndarray,
    starts: Mapping[str, int],
    slip: bool,
) -> Part:
    weight = layer.weight
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
        squared=_unfolded(worths, channels // own),
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
