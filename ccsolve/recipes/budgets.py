"""Budgets as they are given: fractions of the dense network, or amounts."""

import math
from collections.abc import Sequence

import numpy as np

from ccsolve.errors import InvalidProblem


def absolute_amounts(name: str, values: object, original: float) -> list[float]:
    """Give several budgets as absolute amounts."""
    if not isinstance(values, Sequence | np.ndarray) or not len(values):
        raise InvalidProblem(
            f"budgets = {values!r}; expected a list of what may remain of {name}"
        )
    return [absolute_amount(name, value, original) for value in values]


def absolute_amount(name: str, value: object, original: float) -> float:
    """Give the absolute amount that a budget allows."""
    if isinstance(value, float | np.floating):
        if math.isfinite(value) and 0 < value <= 1:
            return float(value) * original
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value > 0:
            return int(value)
    raise InvalidProblem(
        f"{name} = {value!r}; expected what may remain: a float in (0, 1] as a "
        "fraction of the dense network, or an int >= 1 as an absolute amount"
    )
