"""ChannelSelection as named arrays: Q, q, keep, constant, ... under their own names."""

import numpy as np

from ccsolve.io.fields import Arrays, refuse_rest, take_array, take_number
from ccsolve.problems.selection import ChannelSelection

_ARRAYS = ("Q", "q", "factor", "diagonal", "cost", "fixed")
_NUMBERS = ("keep", "constant", "budget")


def selection_arrays(problem: ChannelSelection) -> Arrays:
    """Give the arrays that hold the problem; what is None is left out."""
    fields = {key: getattr(problem, key) for key in _ARRAYS + _NUMBERS}
    return {
        key: np.asarray(value) for key, value in fields.items() if value is not None
    }


def selection_of(arrays: Arrays, where: str) -> ChannelSelection:
    """Give the problem that the arrays hold; the problem's own checks apply."""
    parts = {key: take_array(arrays, key, where) for key in _ARRAYS}
    keep = take_number(arrays, "keep", where)
    constant = take_number(arrays, "constant", where, 0.0)
    budget = take_number(arrays, "budget", where)
    refuse_rest(arrays, where)
    return ChannelSelection(
        keep=keep,  # pyright: ignore[reportArgumentType]
        constant=constant,  # pyright: ignore[reportArgumentType]
        budget=budget,
        **parts,
    )
