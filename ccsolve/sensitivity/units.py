"""What Collaborative Compression's units cost: input channels and singular parts.

The loss of weights W' in place of W is ‖g∘(W' - W)‖², with g the mean gradient of the
loss in the weights: a diagonal of squared first-order terms (Li et al., CVPR 2021).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria import Removal
from ccsolve.errors import MissingStatistics
from ccsolve.kernels.unit_losses import lose_component
from ccsolve.sensitivity.curves import Array
from ccsolve.statistics import Layer, Statistics

Counts = NDArray[np.int64]


class UnitCurve(NamedTuple):
    """Rates and losses as a layer's units go one after the other; (P,) each.

    ``rates`` is the share of the layer's MACs that has gone, negative where a
    factorised layer costs more than the whole one; ``channels`` and ``components``
    count what has gone.
    """

    rates: Array
    losses: Array
    channels: Counts
    components: Counts


def unit_curve(layer: Layer) -> UnitCurve:
    """Give rates and losses as all units of a layer go, cheapest first.

    Units of W (n, c·s), its c input channels and r = min(n, c·s) singular components,
    are worth ‖g_j∘W_j‖² and σ_k²·(u_k∘u_k)ᵀ(g∘g)(v_k∘v_k), the loss of each alone. They
    go in rising order of that. With p channels and z components gone the layer costs
    n(c-p)s, and (r-z)((c-p)s + n) once z > 0 and it is factorised.

    The components are those of the dense weights throughout. The authors' code
    decomposes again after every one, which costs r decompositions; on the network that
    ships with ccsolve its losses were 2 % lower to 17 % higher (medians of a layer).
    Their r leaves out one kernel axis, by which units are lost where n > c·√s.

    O(r·n·c·s): 0.02 s for 64 x 64 x 3 x 3, 4 s for 512 x 512 x 3 x 3.

    Raises
    ------
    MissingStatistics
        The layer's gradient was not collected.
    """
    weight, gradient, channels = _matrices(layer)
    parts = _Parts.of(weight)
    order, worth_channels = _order(weight, gradient, channels, parts)
    squared, lost = np.square(gradient), np.zeros_like(weight)
    alone, gone = np.zeros(channels), np.zeros(channels, dtype=bool)
    losses = np.zeros(order.size)
    for step, unit in enumerate(order):
        if unit < channels:
            gone[unit] = True
        else:
            left, right = parts.component(unit - channels)
            lose_component(lost, squared, left, right, gone, alone)
        losses[step] = worth_channels[gone].sum() + alone[~gone].sum()
    p = np.cumsum(order < channels, dtype=np.int64)
    z = np.arange(1, order.size + 1) - p
    return UnitCurve(_rates(weight, channels, p, z), losses, p, z)


def unit_removal(stats: Statistics, group: str) -> Removal:
    """Order a group's classes by Σ ‖g_j∘W_j‖² over the layers that read them.

    The channel units of `unit_curve` alone; their losses add up, so that the order is
    the best one for every width. Grouped convolutions are read as they are.

    Raises
    ------
    MissingStatistics
        No layer that reads the group was exported, or one without its gradient.
    """
    readers = [layer for layer in stats.layers.values() if group in layer.inputs]
    if not readers:
        raise MissingStatistics(
            f"groups/{group}: no layer that reads it was exported; collect with "
            "layers='moments'"
        )
    worth = np.zeros(stats.groups[group].size)
    for layer in readers:
        classes = layer.inputs[group]
        np.add.at(worth, classes[classes >= 0], _read(layer)[classes >= 0])
    order = np.argsort(worth, kind="stable")
    return Removal(order, np.concatenate([[0.0], np.cumsum(worth[order])]))


class _Parts(NamedTuple):
    """The singular value decomposition of a matrix."""

    u: Array
    s: Array
    vt: Array

    @classmethod
    def of(cls, weight: Array) -> "_Parts":
        return cls(*np.linalg.svd(weight, full_matrices=False))

    def component(self, k: int) -> tuple[Array, Array]:
        return self.s[k] * self.u[:, k], self.vt[k]


def _matrices(layer: Layer) -> tuple[Array, Array, int]:
    """Give weight and gradient as (n, c·s), and c."""
    gradient = _gradient(layer)
    weight = layer.weight.astype(np.float64)
    n, channels = weight.shape[:2]
    return weight.reshape(n, -1), gradient.reshape(n, -1), channels


def _gradient(layer: Layer) -> Array:
    if layer.gradient is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no mean gradient of the weights was collected; "
            "collect it or take another curve"
        )
    return layer.gradient.astype(np.float64)


def _order(
    weight: Array, gradient: Array, channels: int, parts: _Parts
) -> tuple[Counts, Array]:
    """Give the units by rising worth, channels numbered first; and the channels' worth.

    Σ_ab g_ab² (σ u_a v_b)² for every component at once is a product of squares.
    """
    squared = np.square(gradient)
    of_channels = _by_channel(squared * np.square(weight), channels)
    of_parts = np.square(parts.u) * (squared @ np.square(parts.vt).T)
    of_parts = np.square(parts.s) * of_parts.sum(axis=0)
    worth = np.concatenate([of_channels, of_parts])
    return np.argsort(worth, kind="stable"), of_channels


def _by_channel(entries: Array, channels: int) -> Array:
    return entries.reshape(len(entries), channels, -1).sum(axis=(0, 2))


def _rates(weight: Array, channels: int, p: Counts, z: Counts) -> Array:
    """Give the share of MACs that went; positions of the output cancel."""
    n, d = weight.shape
    left = (channels - p) * (d // channels)
    rank = min(n, d) - z
    cost = np.where(z > 0, rank * (left + n), n * left)
    return 1.0 - cost / (n * d)


def _read(layer: Layer) -> Array:
    """Give ‖g_j∘W_j‖² for every input channel, those of all weight groups in order."""
    entries = np.square(_gradient(layer) * layer.weight.astype(np.float64))
    length = len(next(iter(layer.inputs.values())))
    filters, own = entries.shape[:2]
    blocks = length // own
    return entries.reshape(blocks, filters // blocks, own, -1).sum(axis=(1, 3)).ravel()
