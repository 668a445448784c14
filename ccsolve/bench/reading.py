"""What runs say: who was best, how far the others stayed, and when."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from ccsolve.bench.runs import RAN, Run

CLAIMED = 1e-6
"""Relative tolerance of solvers that prove in floating point, without outward slack."""


class Refutation(NamedTuple):
    """A run whose bound is above the point of another."""

    run: Run
    best: Run

    def __str__(self) -> str:
        run, best = self
        return (
            f"{run.competitor} on {run.instance}, seed {run.seed}: bound {run.bound!r}"
            f", but {best.competitor} found a point of value {best.objective!r}"
        )


def by_instance(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group what ran by program, in order."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        if run.status == RAN:
            grouped.setdefault(run.instance, []).append(run)
    return grouped


def competitors(runs: Iterable[Run]) -> list[str]:
    """Name the competitors, in the order in which they appear."""
    return list(dict.fromkeys(run.competitor for run in runs))


def best_value(runs: Iterable[Run]) -> float:
    """Give the lowest value that anybody found or published; inf without any."""
    values = [math.inf]
    for run in runs:
        values += [run.objective, run.best_known]
    return min(value for value in values if not math.isnan(value))


def above(value: float, best: float) -> float:
    """Give (value - best) / abs(best); nan without either."""
    if not (math.isfinite(value) and math.isfinite(best)):
        return math.nan
    return (value - best) / (abs(best) or 1.0)


def seconds_to(run: Run, target: float) -> float:
    """Give the seconds until a run's point was as good as a target, inf if never."""
    return next((at for at, value in run.points if value <= target), math.inf)


def seconds_to_bound(run: Run, target: float) -> float:
    """Give the seconds until a run's bound was as good as a target, inf if never."""
    return next((at for at, value in run.bounds if value >= target), math.inf)


def value_at(run: Run, seconds: float) -> float:
    """Give the value of the best point that a run had by then."""
    return min((v for at, v in run.points if at <= seconds), default=math.inf)


def bound_at(run: Run, seconds: float) -> float:
    """Give the best bound that a run had by then."""
    return max((v for at, v in run.bounds if at <= seconds), default=-math.inf)


def refutations(runs: Iterable[Run]) -> list[Refutation]:
    """Give every bound that a feasible point of anybody's refutes.

    The room is the rounding of the data; a solver that works in floating point and
    makes no claim of rigour is forgiven `CLAIMED` of the value besides.
    """
    found: list[Refutation] = []
    for members in by_instance(runs).values():
        best = min(members, key=lambda run: run.objective)
        if best.objective < math.inf:
            room = 0.0, CLAIMED * abs(best.objective)
            found += [
                Refutation(run, best)
                for run in members
                if run.bound > best.objective + run.resolution + room[not run.rigorous]
            ]
    return found
