"""The options near the relaxation's optimum, as whole multiples of a unit."""

import math
from typing import NamedTuple

import numpy as np

from ccsolve.kernels.allocation_core import common_divisor
from ccsolve.kernels.allocation_hull import near
from ccsolve.linalg.exact_sums import sum_up
from ccsolve.solvers.allocation.corridor.relaxation import Relaxed

_LARGEST = 51
"""Sums of whole numbers stay below 2 to this: exact in float64, with room to spare."""


class Whole(NamedTuple):
    """Differences (S,) as multiples of ``unit``, whole numbers in float64.

    ``error`` bounds by how much the sum over a choice of one option per layer is off, 0
    where the data are whole themselves.
    """

    values: np.ndarray
    unit: float
    error: float


class Survivors(NamedTuple):
    """Options of small reduced cost, by layer and then by cost; S of them.

    Attributes
    ----------
    options, layer : (S,) their places in the tables, and their layers.
    above : (S,) their reduced costs.
    cost, loss : differences to the layer's base option.
    room : the budget above the base point in units of cost, rounded up by the error.
    left_out : no option that is not among them has a smaller reduced cost.
    """

    options: np.ndarray
    layer: np.ndarray
    above: np.ndarray
    cost: Whole
    loss: Whole
    room: float
    left_out: float


def survivors(relaxed: Relaxed, gap: float, most: int) -> Survivors:
    """Give the options that a choice of at most bound + gap can hold, O(N).

    Where there are more than ``most``, those of least reduced cost.
    """
    tables, size = relaxed.tables, len(relaxed.tables.losses)
    options, above = np.empty(size, dtype=np.int64), np.empty(size)
    args = (tables.losses, tables.costs, tables.offsets, relaxed.price, relaxed.least)
    blurred = gap + 2.0 * relaxed.blur
    count = near(*args, blurred, relaxed.base, options, above)
    options, above, left_out = options[:count], above[:count], gap
    if count > most + tables.n:
        options, above, left_out = _nearest(relaxed, options, above, most)
    return _in_units(relaxed, options, above, min(gap, left_out))


def _nearest(
    relaxed: Relaxed, options: np.ndarray, above: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Give about ``most`` options, those of least reduced cost and every base option.

    Of those that tie for the last places as many as fit, from all over the layers.
    """
    bar = float(np.partition(above, most)[most])
    ties = np.flatnonzero(above == bar)
    step = math.ceil(len(ties) / max(1, most - int((above < bar).sum())))
    kept = above < bar
    kept[ties[::step]] = True
    kept[np.searchsorted(options, relaxed.base)] = True
    return options[kept], above[kept], max(0.0, bar - 2.0 * relaxed.blur)


def _in_units(
    relaxed: Relaxed, options: np.ndarray, above: np.ndarray, left_out: float
) -> Survivors:
    tables, base = relaxed.tables, relaxed.base
    layer = np.searchsorted(tables.offsets, options, side="right") - 1
    cost = _whole(tables.costs[options], tables.costs[base[layer]], layer)
    loss = _whole(tables.losses[options], tables.losses[base[layer]], layer)
    room = sum_up([relaxed.limit, *(-tables.costs[base]).tolist()])
    order = np.lexsort((loss.values, cost.values, layer))
    return Survivors(
        options=options[order],
        layer=layer[order],
        above=above[order],
        cost=cost._replace(values=cost.values[order]),
        loss=loss._replace(values=loss.values[order]),
        room=math.floor((room + cost.error) / cost.unit),
        left_out=left_out,
    )


def _whole(values: np.ndarray, base: np.ndarray, layer: np.ndarray) -> Whole:
    """Give values - base rounded down to a grid so fine that sums just stay exact."""
    differences = values - base
    if not differences.any():
        return Whole(differences, 1.0, 0.0)
    begins = np.flatnonzero(np.diff(layer, prepend=-1))
    total = float(np.maximum.reduceat(np.abs(differences), begins).sum())
    exponent = _LARGEST - math.ceil(math.log2(total))
    if exponent >= 0 and not np.remainder(differences, 1.0).any():
        exponent = 0
    scaled = np.ldexp(differences, exponent)
    grid = np.floor(scaled)
    exact = np.array_equal(grid, scaled) and _is_exact(values, base, differences)
    divisor = common_divisor(grid)
    return Whole(
        values=grid / divisor,
        unit=math.ldexp(divisor, -exponent),
        # Half a step from the subtraction; the floor itself is to the safe side.
        error=0.0 if exact else math.ldexp(len(begins), -exponent),
    )


def _is_exact(values: np.ndarray, base: np.ndarray, differences: np.ndarray) -> bool:
    """Say whether values - base was not rounded, by Knuth's error-free difference."""
    back = values - differences
    error = (values - (differences + back)) + (back - base)
    return not error.any()
