"""How the front door treats a SmoothRateAllocation."""

import numpy as np

from ccsolve.handling.record import Handling, undecided, whole
from ccsolve.problems import SmoothRateAllocation


def tiny(kind: None) -> SmoothRateAllocation:
    """Give a program of two layers."""
    return SmoothRateAllocation([1.0, 2.0], [3.0, 5.0], [4.0, 6.0], remove=5.0)


def as_point(x: np.ndarray) -> np.ndarray:
    """Give rates as float64 (L,)."""
    return np.asarray(x, dtype=np.float64)


def shown(problem: SmoothRateAllocation, x: np.ndarray) -> dict[str, np.ndarray]:
    """Give the rates."""
    return {"x": x}


SMOOTH_ALLOCATION = Handling(
    problem=SmoothRateAllocation,
    pick=lambda problem: "bisection",
    reduced=whole,
    settled=undecided,
    feasible_point=SmoothRateAllocation.feasible_point,
    natural_scale=SmoothRateAllocation.natural_scale,
    kernels=lambda problem: None,
    tiny=tiny,
    as_point=as_point,
    shown=shown,
)
