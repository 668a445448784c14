"""Rows: one JSON line per contender on a case."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


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


def read_rows(path: Path) -> list[Row]:
    """Read a file of rows; none where there is no file."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Row(**json.loads(line)) for line in lines if line]


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write each row as soon as it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
