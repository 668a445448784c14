"""Solution: what a method found, what it proved, and why it stopped."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from ccsolve.errors import InvalidProblem, WrongAnswer

FEASIBILITY_TOLERANCE = 1e-9
"""Largest violation of a point that still counts as feasible."""


class Problem(Protocol):
    """What every problem offers: it scores points and knows the scale of its data."""

    def objective(self, x: Any, /) -> float:
        """Give the objective of a point."""
        ...

    def violation(self, x: Any, /) -> float:
        """Give how far the point is from feasible; 0 = feasible."""
        ...

    @property
    def n(self) -> int:
        """How many decisions it has: channels, layers, ..."""
        ...

    @property
    def resolution(self) -> float:
        """Differences of the objective below this are rounding."""
        ...


class Stop(enum.Enum):
    """Why a method stopped; it says nothing about what the solution is worth."""

    FINISHED = "finished"
    GAP = "gap"
    TIME_LIMIT = "time limit"
    STEP_LIMIT = "step limit"
    CALLBACK = "callback"
    INTERRUPTED = "interrupted"


class Claim(enum.Enum):
    """What point and bound together prove; derived, never asserted by a method."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    BOUND = "bound"
    INFEASIBLE = "infeasible"
    NOTHING = "nothing"


class TracePoint(NamedTuple):
    """One moment of a run: both curves at ``seconds`` after the start."""

    seconds: float
    step: int
    objective: float
    bound: float


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """What a method returns.

    Attributes
    ----------
    x : the best feasible point, None without one; a selection is a bool (n,) array.
    objective : its value, recomputed by the problem; +inf without a point.
    bound : a proven lower bound; -inf without one, +inf when infeasibility is proven.
    stop : why the method stopped.
    method : the method's name.
    seconds : wall time.
    trace : both curves over time.
    duals : prices >= 0, the fall of the optimum per unit of budget added.
    resolution : 1e-12·n·s, s the largest absolute datum: below it is rounding.
    natural_scale : mean |objective| of random feasible points, nan if not computed.
    extra : what only this method knows; never needed to read the rest.
    """

    x: Any
    objective: float
    bound: float
    stop: Stop
    method: str = ""
    seconds: float = math.nan
    trace: tuple[TracePoint, ...] = ()
    duals: Mapping[str, np.ndarray] = field(default_factory=dict)
    resolution: float = 0.0
    natural_scale: float = math.nan
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"Solution({self.method or 'no method'}: objective={self.objective:.6g}, "
            f"bound={self.bound:.6g}, gap={self.gap:.3g}, stop={self.stop.value!r}, "
            f"seconds={self.seconds:.3g})"
        )

    @property
    def weights(self) -> Any:
        """The refitted weights (d, n_out) of a reconstruction; None for the others."""
        return self.extra.get("weights")

    @property
    def absolute_gap(self) -> float:
        """Objective minus bound, 0 within rounding; inf without a point or a bound."""
        return absolute_gap(self.objective, self.bound, self.resolution)

    @property
    def gap(self) -> float:
        """(objective - bound) / abs(objective); 0 within rounding, inf at 0."""
        return relative_gap(self.objective, self.bound, self.resolution)

    @property
    def natural_gap(self) -> float:
        """The absolute gap in units of what a random feasible point costs."""
        if self.absolute_gap == 0:
            return 0.0
        return (
            self.absolute_gap / self.natural_scale if self.natural_scale else math.inf
        )

    @property
    def cancels(self) -> bool:
        """Whether cancellation makes the objective tiny: read ``natural_gap`` too."""
        return abs(self.objective) < 1e-3 * self.natural_scale

    def claim(self, tolerance: float = 1e-6) -> Claim:
        """Say what point and bound prove together, at a gap of ``tolerance``."""
        if self.x is not None:
            return Claim.OPTIMAL if self.gap <= tolerance else Claim.FEASIBLE
        if self.bound == math.inf:
            return Claim.INFEASIBLE
        return Claim.BOUND if self.bound > -math.inf else Claim.NOTHING


def absolute_gap(objective: float, bound: float, resolution: float = 0.0) -> float:
    """Give objective - bound, or 0 where the difference is rounding."""
    if objective == math.inf or bound == -math.inf:
        return math.inf
    difference = objective - bound
    return 0.0 if difference <= resolution else difference


def relative_gap(objective: float, bound: float, resolution: float = 0.0) -> float:
    """Give (objective - bound) / abs(objective); 0 within rounding, inf at 0."""
    difference = absolute_gap(objective, bound, resolution)
    if difference == 0 or difference == math.inf:
        return difference
    return difference / abs(objective) if objective else math.inf


def merge(first: Solution, second: Solution) -> Solution:
    """Keep the better point and the better bound of two solutions of one problem.

    A heuristic's point with a relaxation's bound makes a certificate. Stop, trace and
    extra are those of the solution whose point is kept; the seconds add up.
    """
    better, other = (
        (first, second) if first.objective <= second.objective else (second, first)
    )
    names = dict.fromkeys(name for name in (first.method, second.method) if name)
    return replace(
        better,
        bound=max(first.bound, second.bound),
        duals=first.duals if first.bound >= second.bound else second.duals,
        method=" + ".join(names),
        seconds=first.seconds + second.seconds,
        resolution=max(better.resolution, other.resolution),
    )


def verify(problem: Problem, solution: Solution) -> None:
    """Recompute what a solution claims and raise where it does not hold.

    Checked: the point is feasible, its objective is what the problem computes, the
    bound does not exceed it, and the resolution is not wider than the data's. One
    objective evaluation.

    Raises
    ------
    WrongAnswer
        With the claimed and the computed figure.
    """
    if solution.x is None:
        if solution.objective != math.inf:
            raise WrongAnswer(
                f"objective {solution.objective:g} without a point; expected +inf"
            )
        return
    violation = _violation(problem, solution.x)
    if not violation <= FEASIBILITY_TOLERANCE:
        raise WrongAnswer(f"the point is infeasible: violation {violation:.3g}")
    value = problem.objective(solution.x)
    slack = max(problem.resolution, 1e-9 * abs(value))
    if not abs(value - solution.objective) <= slack:
        raise WrongAnswer(
            f"objective claimed {solution.objective!r}, but the point gives {value!r}"
        )
    if not solution.bound <= value + slack:
        raise WrongAnswer(
            f"bound claimed {solution.bound!r}, but a point of value {value!r} exists"
        )
    if not solution.resolution <= problem.resolution * (1.0 + 1e-9):
        raise WrongAnswer(
            f"resolution claimed {solution.resolution:g}, but that of the data is "
            f"{problem.resolution:g}"
        )


def _violation(problem: Problem, x: Any) -> float:
    try:
        return problem.violation(x)
    except (TypeError, ValueError) as error:
        raise InvalidProblem(f"the point does not fit the problem: {error}") from None
