"""What a linear constraint over binary variables is to a ChannelSelection, if it is."""

import math
from typing import Any

import numpy as np


def constraint_of(a: np.ndarray, low: float, high: float) -> dict[str, Any] | None:
    """Give low ≤ aᵀz ≤ high as ``keep`` or ``cost`` and ``budget``; None if neither.

    - All entries of a (n,) equal and non-zero, low = high: keep = high / a.
    - a ≥ 0 without a lower limit, or a ≤ 0 without an upper one: a budget.
    """
    if low == high and a[0] != 0 and (a == a[0]).all() and (low / a[0]).is_integer():
        return {"keep": int(low / a[0])}
    if low == -math.inf and math.isfinite(high) and (a >= 0).all():
        return {"cost": a, "budget": high}
    if high == math.inf and math.isfinite(low) and (a <= 0).all():
        return {"cost": -a, "budget": -low}
    return None
