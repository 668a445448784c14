"""Rows: one JSON line per competitor on an instance."""

from dataclasses import dataclass


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
