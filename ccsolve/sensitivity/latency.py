"""Tables of what widths cost as they were measured, made fit for a budget."""

from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_array, whole_number
from ccsolve.sensitivity.curves import Array

_MANY = 10_000_000


def latency_table(measured: Any, size: int, widths: Any = None) -> Array:
    """Give a cost for 0, 1, ..., size classes gone from measurements at some widths.

    A width that was not measured costs what the next wider measured one does. Then no
    width costs less than a narrower one: noise, or a kernel that is slow at odd widths,
    never makes the table promise more than was measured. Use it as a cost under a
    budget, in the unit of the measurements.

    Parameters
    ----------
    measured : (K,) array
        Finite, ≥ 0.
    size
        Classes of the group or layer, at least 1.
    widths : (K,) array of different whole numbers from 0 to ``size``, optional
        At which widths, in any order, ``size`` among them. By default 0, 1, ..., size.

    Returns
    -------
    (size + 1,) by classes gone, nonincreasing: the first one is that of all classes.

    Raises
    ------
    InvalidProblem
        Shapes, widths or entries are not those.

    Examples
    --------
    >>> latency_table([20.0, 31.0, 30.0], size=4, widths=[1, 2, 4])
    array([31., 31., 31., 20., 20.])
    """
    size = whole_number("size", size, 1, _MANY)
    places = _widths(size, widths)
    costs = real_array("measured", measured, places.shape)
    if (costs < 0).any():
        raise InvalidProblem(f"measured has entries down to {costs.min():g}; give >= 0")
    order = np.argsort(places)
    wider = np.searchsorted(places[order], np.arange(size + 1))
    return np.maximum.accumulate(costs[order][wider])[::-1].copy()


def _widths(size: int, widths: Any) -> np.ndarray:
    if widths is None:
        return np.arange(size + 1)
    places = real_array("widths", widths, (None,))
    whole = bool((places == np.rint(places)).all())
    inside = places.size > 0 and places.min() >= 0 and places.max() == size
    if not whole or not inside or np.unique(places).size < places.size:
        raise InvalidProblem(
            f"widths = {places.tolist()}; expected different whole numbers from 0 to "
            f"{size}, {size} among them"
        )
    return places.astype(np.int64)
