"""What a competitor gives back."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Answer:
    """A point, a bound, and what they took.

    Attributes
    ----------
    x : options, rates, or None; for a front one point for every budget, stacked.
    bound : -inf without one; for a front one for every budget.
    wall, cpu : seconds by the clock and of this process.
    """

    x: np.ndarray | None
    bound: float | np.ndarray = -math.inf
    wall: float = math.nan
    cpu: float = math.nan


def timed(work: Callable[[], tuple[Any, Any]]) -> Answer:
    """Run what gives a point and a bound, and take both times."""
    wall, cpu = time.perf_counter(), time.process_time()
    x, bound = work()
    return Answer(x, bound, time.perf_counter() - wall, time.process_time() - cpu)
