"""What a competitor is given, and what it gives back."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Terms(NamedTuple):
    """How a competitor is to run.

    Attributes
    ----------
    seconds : what it may spend on solving; making its model is not counted.
    target : it may stop at a point of this value; None to use its time.
    curve : whether the way there matters, for those that only tell their last point.
    """

    seconds: float
    seed: int = 0
    target: float | None = None
    curve: bool = False


@dataclass(frozen=True)
class Answer:
    """Points and bounds with the seconds at which they were there.

    ``points`` are of kept channels, (n,) of 0 and 1, in the problem's own order;
    ``bounds`` are lower bounds of its objective, proven where ``rigorous``.
    """

    points: list[tuple[float, np.ndarray]] = field(default_factory=list)
    bounds: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0
    stop: str = ""
    rigorous: bool = True


class DoesNotFit(Exception):
    """The competitor cannot take this program; the message says why."""
