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


SHORT = 0.1
"""Seconds of CPU up to which a run is repeated: one of a millisecond is all noise."""

MOST = 200


def timed(work: Callable[[], tuple[Any, Any]]) -> Answer:
    """Run what gives a point and a bound, and take both times; the mean if short."""
    runs, wall, cpu = 0, time.perf_counter(), time.process_time()
    spent = 0.0
    while runs == 0 or (spent <= SHORT and runs < MOST):
        x, bound = work()
        runs, spent = runs + 1, time.process_time() - cpu
    return Answer(x, bound, (time.perf_counter() - wall) / runs, spent / runs)
