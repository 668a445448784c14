"""What runs say: who was best, how far the others stayed, and when."""

import math
from collections.abc import Iterable

from ccsolve.bench.runs import RAN, Run


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


def refutations(runs: Iterable[Run], claimed: float = 1e-6) -> list[str]:
    """Name every bound that a feasible point of anybody's refutes.

    The room is the rounding of the data; a solver that works in floating point and
    makes no claim of rigour is forgiven ``claimed`` of the value besides.
    """
    found: list[str] = []
    for members in by_instance(runs).values():
        best = min(members, key=lambda run: run.objective)
        value = best.objective
        if value == math.inf:
            continue
        for run in members:
            slack = run.resolution + (0.0 if run.rigorous else claimed * abs(value))
            if run.bound > value + slack:
                found.append(
                    f"{run.competitor} on {run.instance}, seed {run.seed}: bound "
                    f"{run.bound!r}, but {best.competitor} found a point of value "
                    f"{value!r}"
                )
    return found
