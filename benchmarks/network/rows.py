"""Rows: one JSON line per contender on a case."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """What one contender did on one case.

    `times`, `values` and `bounds` are the best point and bound at those seconds of one
    run, null without; the last is at its end. `scale` is the mean loss of random points
    within the budgets; `memory` the process's peak in MiB at the end. `seconds` are of
    the wall, `cpu` what the process had of a core in them; None in rows that did not
    ask. `early` is what each of several seeds had after `EARLY` seconds of its own.
    """

    case: str
    contender: str
    status: str
    channels: int
    limit: float
    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    bounds: list[float | None] = field(default_factory=list)
    early: list[float] = field(default_factory=list)
    scale: float | None = None
    seconds: float | None = None
    cpu: float | None = None
    memory: float | None = None
    version: str = ""
    note: str = ""
    machine: str = ""


def latest(rows: Sequence[Row]) -> list[Row]:
    """Give the last row of each contender on each case: what failed is run again."""
    return list({(row.case, row.contender, row.limit): row for row in rows}.values())


def is_done(row: Row) -> bool:
    """Say whether a row is the answer, whatever that was, and not an accident."""
    return not row.status.startswith("failed")
