"""The one loop: clock, limits, trace, best-so-far, gap, callback and Ctrl-C.

A method is a generator of `Step`; it never reads the clock, prints or counts. The loop
reads the clock between steps, so a step must be short against the time limit.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ccsolve.solution import Solution, Stop, TracePoint, relative_gap


class Step(NamedTuple):
    """What a method knows after one step; what it does not know keeps its default.

    ``x`` may be None when the step brought no new point. ``bound`` is a rigorous lower
    bound. ``duals`` and ``extra`` replace those of earlier steps.
    """

    x: Any = None
    objective: float = math.inf
    bound: float = -math.inf
    duals: Mapping[str, np.ndarray] | None = None
    extra: Mapping[str, Any] | None = None


class Progress(NamedTuple):
    """What a callback sees, after every improvement of the point or of the bound."""

    seconds: float
    step: int
    x: Any
    objective: float
    bound: float
    gap: float


Callback = Callable[[Progress], Any]


@dataclass(frozen=True)
class Limits:
    """When to stop; the clock starts when the limits are made.

    Attributes
    ----------
    time_limit : seconds of wall time, inf for none.
    step_limit : steps of the method, a deterministic unit of work; None for no limit.
    gap : relative gap at which the answer is good enough.
    callback : called after every improvement; a true answer stops the run.
    resolution : differences of the objective below this are rounding.
    """

    time_limit: float = math.inf
    step_limit: int | None = None
    gap: float = 1e-6
    callback: Callback | None = None
    resolution: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        """Give the seconds since the start."""
        return time.perf_counter() - self.started

    def restarted(self) -> "Limits":
        """Give the same limits with the clock at zero."""
        return replace(self, started=time.perf_counter())

    def remaining(self) -> float:
        """Give the seconds left, for calls that cannot be interrupted; at least 0."""
        return max(0.0, self.time_limit - self.seconds())


@dataclass
class _Best:
    """The best point and the best bound so far, and how they came."""

    x: Any = None
    objective: float = math.inf
    bound: float = -math.inf
    duals: Mapping[str, np.ndarray] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    trace: list[TracePoint] = field(default_factory=list)

    def take(self, step: Step) -> bool:
        """Take over what is better; say whether anything was."""
        self.steps += 1
        better_point = step.x is not None and step.objective < self.objective
        better_bound = step.bound > self.bound
        if better_point:
            self.x, self.objective = step.x, step.objective
        if better_bound:
            self.bound = step.bound
            self.duals = self.duals if step.duals is None else step.duals
        if step.extra is not None:
            self.extra = step.extra
        return better_point or better_bound

    def progress(self, limits: Limits) -> Progress:
        gap = relative_gap(self.objective, self.bound, limits.resolution)
        return Progress(
            limits.seconds(), self.steps, self.x, self.objective, self.bound, gap
        )


def run(steps: Iterable[Step], limits: Limits) -> Solution:
    """Drive a method to its end or to a limit; the best point and bound are returned.

    A limit, a callback's stop and Ctrl-C are not errors: the solution holds what was
    found, and its `Stop` says why it ended.
    """
    best, iterator = _Best(), iter(steps)
    try:
        stop = _drive(iterator, limits, best)
    except KeyboardInterrupt:
        stop = Stop.INTERRUPTED
    finally:
        _close(iterator)
    return Solution(
        x=best.x,
        objective=best.objective,
        bound=best.bound,
        stop=stop,
        seconds=limits.seconds(),
        trace=tuple(best.trace),
        duals=best.duals,
        resolution=limits.resolution,
        extra={**best.extra, "steps": best.steps},
    )


def _drive(steps: Iterator[Step], limits: Limits, best: _Best) -> Stop:
    for step in steps:
        if best.take(step):
            now = best.progress(limits)
            best.trace.append(
                TracePoint(now.seconds, now.step, now.objective, now.bound)
            )
            if limits.callback is not None and limits.callback(now):
                return Stop.CALLBACK
            if now.gap <= limits.gap:
                return Stop.GAP
        if limits.step_limit is not None and best.steps >= limits.step_limit:
            return Stop.STEP_LIMIT
        if limits.seconds() >= limits.time_limit:
            return Stop.TIME_LIMIT
    return Stop.FINISHED


def _close(iterator: Iterator[Step]) -> None:
    """Let a generator release what it holds; a second Ctrl-C must lose nothing."""
    close = getattr(iterator, "close", None)
    if close is not None:
        with suppress(KeyboardInterrupt):
            close()
