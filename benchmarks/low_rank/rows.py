"""Rows: one JSON line per contender on a case."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What one contender did on one case.

    `entries` are those of the tensors; `seconds` CPU time of one step, the median;
    `error` ‖T - Z‖/‖T‖, the mean over the steps; `extra` the MiB that a step needed
    beside the tensors, None where that was not measured.
    """

    case: str
    contender: str
    status: str
    entries: int
    seconds: float | None = None
    error: float | None = None
    extra: float | None = None
    version: str = ""
    note: str = ""
    machine: str = ""
