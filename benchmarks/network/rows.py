"""Rows: one JSON line per contender on a case."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """What one contender did on one case.

    `times`, `values` and `bounds` are the best point and bound at those seconds of one
    run, null without; the last is at its end. `scale` is the mean loss of random points
    within the budgets; `memory` the process's peak in MiB at the end.
    """

    case: str
    contender: str
    status: str
    channels: int
    limit: float
    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    bounds: list[float | None] = field(default_factory=list)
    scale: float | None = None
    seconds: float | None = None
    memory: float | None = None
    version: str = ""
    note: str = ""
    machine: str = ""
