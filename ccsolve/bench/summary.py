"""What the rows say: one line per program, and totals per method."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ccsolve.bench.rows import SOLVER, Row

SAME = 1e-9
"""Values that differ by less than this, relatively, count as equal."""
PROVEN = 1e-6
"""Relative gap up to which a value counts as proven best."""


@dataclass(frozen=True)
class Line:
    """One program: every method's value, and the solver's row.

    Attributes
    ----------
    values : method -> objective, in the order of the rows.
    best : the lowest of them.
    """

    family: str
    instance: str
    values: Mapping[str, float]
    solver: Row

    @property
    def best(self) -> float:
        """The lowest value of any method."""
        return min(self.values.values())


@dataclass(frozen=True)
class Total:
    """One method over all programs of a family.

    Attributes
    ----------
    total : the sum of its values.
    above_best : its total over that of the best values, minus 1.
    median_above_best, worst_above_best : the same per program.
    above_bound, median_above_bound : the same against the bounds; inf where they
        do not exceed 0.
    found_best : programs on which no method was better.
    """

    family: str
    method: str
    programs: int
    total: float
    above_best: float
    median_above_best: float
    worst_above_best: float
    above_bound: float
    median_above_bound: float
    found_best: int


def lines(rows: Iterable[Row]) -> list[Line]:
    """Give one line per program that has a solver's row, in the order of the rows."""
    programs: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        programs.setdefault((row.family, row.instance), {})[row.method] = row
    return [
        Line(family, name, {key: row.objective for key, row in by.items()}, by[SOLVER])
        for (family, name), by in programs.items()
        if SOLVER in by
    ]


def families(table: Iterable[Line]) -> dict[str, list[Line]]:
    """Give the lines by family, in order."""
    grouped: dict[str, list[Line]] = {}
    for line in table:
        grouped.setdefault(line.family, []).append(line)
    return grouped


def methods_of(table: Sequence[Line]) -> list[str]:
    """Give the methods that have a value on every line, in the order of the first."""
    common = [set(line.values) for line in table]
    return [name for name in table[0].values if all(name in have for have in common)]


def totals(table: Sequence[Line]) -> list[Total]:
    """Give the totals of every method of every family."""
    return [
        _total(family, method, members)
        for family, members in families(table).items()
        for method in methods_of(members)
    ]


def proven(table: Iterable[Line]) -> int:
    """Count the programs whose answer is proven best."""
    return sum(line.solver.gap <= PROVEN for line in table)


def excess(value: float, reference: float) -> float:
    """Give value/reference - 1; 0 where equal, inf where the reference is not > 0."""
    if value <= reference * (1 + SAME):
        return 0.0
    return value / reference - 1 if reference > 0 else math.inf


def _total(family: str, method: str, members: Sequence[Line]) -> Total:
    values = [line.values[method] for line in members]
    bests = [line.best for line in members]
    bounds = [line.solver.bound for line in members]
    over_best = [excess(v, b) for v, b in zip(values, bests, strict=True)]
    over_bound = [excess(v, b) for v, b in zip(values, bounds, strict=True)]
    return Total(
        family=family,
        method=method,
        programs=len(values),
        total=sum(values),
        above_best=excess(sum(values), sum(bests)),
        median_above_best=median(over_best),
        worst_above_best=max(over_best),
        above_bound=excess(sum(values), sum(bounds)),
        median_above_bound=median(over_bound),
        found_best=over_best.count(0.0),
    )
