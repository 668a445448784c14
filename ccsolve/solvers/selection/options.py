"""Checks of the options that the heuristics share."""

from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_array, whole_number

_MANY = 2**31


def at_least(name: str, value: Any, low: int) -> int:
    """Give an option as a whole number of at least ``low``, or say what is wrong."""
    return whole_number(name, value, low, _MANY)


def start_point(problem: ChannelSelection, start: Any) -> np.ndarray | None:
    """Give a starting point as a bool (n,) array, None where none is given.

    Raises
    ------
    InvalidProblem
        When it is not binary, not of length n or not feasible.
    """
    if start is None:
        return None
    point = real_array("start", start, (problem.n,))
    violation = problem.violation(point)
    if violation > 0:
        raise InvalidProblem(
            f"start violates the problem's constraints by {violation:.3g}; "
            f"give a feasible binary point"
        )
    return point == 1
