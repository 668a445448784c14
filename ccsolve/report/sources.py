"""Files of a report: plans, fronts, measurements and statistics, told apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsolve import data
from ccsolve.errors import InvalidFile
from ccsolve.plans import KIND as PLAN
from ccsolve.plans import Plan
from ccsolve.report.curve import Curve, read_curve
from ccsolve.report.measurements import (
    Measurement,
    measurements,
    parse_rows,
)
from ccsolve.statistics import Statistics
from ccsolve.validation.records import KIND as VALIDATION

STATISTICS = ".safetensors"

_SIZE_LIMIT = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Sources:
    """What files hold: plans by name, and at most one of each other kind."""

    plans: Mapping[str, Plan]
    curve: Curve | None
    measured: tuple[Measurement, ...]
    stats: Statistics | None


def read_sources(names: Iterable[str], stats: str | None = None) -> Sources:
    """Read files, each of the kind that its contents tell.

    Plans as `Plan.save` writes them, a front as ``ccsolve pareto -o`` does,
    measurements (see `measurements`), statistics, or by name those that ship; `stats`
    names statistics, too.

    Raises
    ------
    InvalidFile
        A file is of no such kind, or two of a kind other than plans.
    """
    plans: dict[str, Plan] = {}
    curves: dict[str, Curve] = {}
    rows: dict[str, tuple[Measurement, ...]] = {}
    held = {} if stats is None else {stats: Statistics.load(data.file_of(stats))}
    for name in names:
        found = _read(name)
        if isinstance(found, Plan):
            plans[_unused(name, plans)] = found
        elif isinstance(found, Curve):
            curves[name] = found
        elif isinstance(found, Statistics):
            held[name] = found
        else:
            rows[name] = found
    return Sources(
        plans,
        _only(curves, "fronts"),
        _only(rows, "files of measurements") or (),
        _only(held, "statistics"),
    )


def _read(name: str) -> Plan | Curve | Statistics | tuple[Measurement, ...]:
    path = data.file_of(name)
    if path.suffix == STATISTICS:
        return Statistics.load(path)
    document = parse_rows(_contents(path), name)
    kind = document.get("kind")
    if kind == PLAN:
        return Plan.load(path)
    if kind == VALIDATION or "rows" in document:
        return measurements(document, name)
    if "over" in document and "points" in document:
        return read_curve(document, name)
    raise InvalidFile(
        f"{name}: kind {kind!r}; expected a plan, a front of ccsolve pareto -o, "
        f"measurements (rows), or statistics ({STATISTICS})"
    )


def _contents(path: Path) -> bytes:
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise InvalidFile(f"{path}: expected at most {_SIZE_LIMIT} bytes")
        return path.read_bytes()
    except OSError as error:
        raise InvalidFile(f"{path}: not readable ({error.strerror})") from None


def _unused(name: str, plans: Mapping[str, Plan]) -> str:
    """Give the file's name without folder and suffix; all of it where that is taken."""
    stem = Path(name).stem
    return name if stem in plans else stem


def _only(found: Mapping[str, Any], kind: str) -> Any:
    if len(found) > 1:
        raise InvalidFile(f"{', '.join(found)}: {len(found)} {kind}; expected one")
    return next(iter(found.values()), None)
