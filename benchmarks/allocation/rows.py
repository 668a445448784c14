"""Rows: one JSON line per competitor on an instance."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """What one competitor did on one instance.

    `loss` is the scorer's, None without a point; `excess` how far a budget was broken,
    relatively; `wall` and `cpu` are seconds.
    """

    suite: str
    instance: str
    competitor: str
    status: str
    loss: float | None = None
    excess: float | None = None
    bound: float | None = None
    wall: float | None = None
    cpu: float | None = None
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
