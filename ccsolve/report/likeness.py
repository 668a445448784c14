"""Which channels of a group do the same, from what was collected about them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidStatistics, MissingStatistics
from ccsolve.plans import Plan
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.group import CURVATURES
from ccsolve.statistics.programs import class_columns

Array = NDArray[np.float64]

ACTIVATIONS, CURVATURE = "activations", "curvature"

LARGEST = 4096
"""Channels of a group, up to which all pairs are looked at."""


class Likeness(NamedTuple):
    """The correlations of a group's channels.

    Attributes
    ----------
    source : "activations" where a layer that reads the group has its moments: how the
        channels' outputs vary together. "curvature": how their effects on the loss do,
        the curvature of the loss in their gates scaled to a unit diagonal.
    matrix : (n, n), from -1 to 1; 0 with a channel that does nothing.
    """

    source: str
    matrix: Array


class Pair(NamedTuple):
    """Two channels of a group and their correlation, first < second."""

    group: str
    first: int
    second: int
    correlation: float


def likeness(stats: Statistics, group: str) -> Likeness | None:
    """Give the correlations of a group; None where nothing tells them, O(n²).

    By activations x_i of a reader with the input patch of s positions
    r_ij = Σ_p cov(x_ip, x_jp) / √(Σ_p var x_ip · Σ_p var x_jp); by curvature
    r_ij = H_ij / √(H_ii·H_jj).
    """
    held = stats.groups[group]
    if held.size > LARGEST:
        return None
    for layer in stats.layers.values():
        if group in layer.inputs and (found := _covariance(layer, held)) is not None:
            return Likeness(ACTIVATIONS, _scaled(found))
    hessian = _hessian(held)
    return None if hessian is None else Likeness(CURVATURE, _scaled(hessian))


def second_order_loss(stats: Statistics, plan: Plan) -> float | None:
    """Give ½uᵀHu summed over the groups, u the channels of a plan that go.

    None where a group that loses some has no curvature, or where layers do not only
    lose channels.
    """
    if plan.factors or plan.primary:
        return None
    total = 0.0
    for name, kept in plan.widths.items():
        if kept == plan.sizes[name]:
            continue
        hessian = _hessian(stats.groups[name])
        if hessian is None:
            return None
        gone = ~plan.mask(name)
        total += 0.5 * float(hessian[np.ix_(gone, gone)].sum())
    return total


def _hessian(group: Group) -> Array | None:
    """Give the group's curvature, the Gauss-Newton first; None where none is held."""
    for name in CURVATURES:
        if group.rows(name) is not None or getattr(group, name) is not None:
            return group.hessian(name)
    return None


def strongest(group: str, matrix: Array, most: int, least: float) -> list[Pair]:
    """Give up to `most` pairs of the largest absolute correlations >= `least`."""
    rows, columns = np.triu_indices(len(matrix), 1)
    values = matrix[rows, columns]
    order = np.argsort(-np.abs(values), kind="stable")[:most]
    return [
        Pair(group, int(rows[at]), int(columns[at]), float(values[at]))
        for at in order
        if abs(values[at]) >= least
    ]


def all_likeness(stats: Statistics) -> Iterator[tuple[str, Likeness]]:
    """Give every group's name and correlations, of those that have any."""
    for name in stats.groups:
        found = likeness(stats, name)
        if found is not None:
            yield name, found


def _covariance(layer: Layer, group: Group) -> Array | None:
    """Give the classes' covariance summed over columns that correspond, or None."""
    if layer.input_moment is None or layer.input_mean is None:
        return None
    try:
        columns = class_columns(layer, group.name, group.size)
    except (MissingStatistics, InvalidStatistics):
        return None
    total = np.zeros((group.size, group.size))
    for place in columns.T:
        moment = layer.input_moment[np.ix_(place, place)].astype(np.float64)
        mean = layer.input_mean[place].astype(np.float64)
        total += moment - np.outer(mean, mean)
    return total


def _scaled(matrix: Array) -> Array:
    """Give the matrix at a unit diagonal; 0 beside a diagonal that is rounding."""
    diagonal = np.diagonal(matrix)
    live = diagonal > 1e-12 * max(float(diagonal.max(initial=0.0)), 1e-300)
    scale = np.where(live, 1.0 / np.sqrt(np.where(live, diagonal, 1.0)), 0.0)
    return np.clip(scale[:, None] * matrix * scale, -1.0, 1.0)
