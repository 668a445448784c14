"""One run of one competitor: its curves, scored; JSON lines of runs, there and back."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ccsolve.bench.rows import environment
from ccsolve.errors import InvalidFile
from ccsolve.io.atomic import replacing
from ccsolve.io.strict_json import dump_json, parse_json
from ccsolve.solution import relative_gap

RAN = "ran"
MISFIT = "does not fit"
MISSING = "not installed"
FAILED = "failed"
SILENT = "no answer"

Curve = tuple[tuple[float, float], ...]
"""(seconds, value) pairs, each better than the one before."""


@dataclass(frozen=True)
class Run:
    """What one competitor gave on one program with one seed.

    Attributes
    ----------
    suite, instance, family, n, keep : which program, and why it was run.
    competitor, seed, limit : who, and the seconds given.
    status : "ran", "does not fit", "not installed", "failed" or "no answer"; ``note``
        says more.
    objective : the value of the best point, by the scorer; inf without one.
    bound : the best lower bound; ``rigorous`` says whether it is a proof, or only what
        a solver in floating point takes for one.
    points, bounds : both over time.
    seconds, build : spent solving, and before that on making the model.
    stop : why it ended, in the competitor's own words.
    resolution : differences of the objective below this are rounding.
    best_known, proven : published, nan where nothing is; ``room`` is what a value may
        exceed it by and still be the same, for the file's decimals.
    target : the value at which it was to stop, nan where it was to use its time.
    base_mb, peak_mb : resident memory before the run and at most in it; nan where it
        was not asked for.
    kept : the best point, its bits packed as hexadecimal digits.
    machine, python, versions : where a timing comes from.
    """

    suite: str
    instance: str
    family: str
    n: int
    keep: int | None
    competitor: str
    seed: int
    limit: float
    status: str = RAN
    note: str = ""
    objective: float = math.inf
    bound: float = -math.inf
    rigorous: bool = True
    points: Curve = ()
    bounds: Curve = ()
    seconds: float = math.nan
    build: float = math.nan
    stop: str = ""
    resolution: float = 0.0
    best_known: float = math.nan
    room: float = 0.0
    proven: bool = False
    target: float = math.nan
    base_mb: float = math.nan
    peak_mb: float = math.nan
    kept: str = ""
    machine: str = ""
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int, float]:
        """What makes a run the same run: it need not be repeated."""
        return self.suite, self.instance, self.competitor, self.seed, self.limit

    @property
    def gap(self) -> float:
        """(objective - bound) / abs(objective); 0 within rounding."""
        return relative_gap(self.objective, self.bound, self.resolution)


def here() -> dict[str, Any]:
    """Give the fields of a run that say where it was made."""
    return environment()


def line_of(run: Run) -> str:
    """Give the run as one JSON line; what is not finite becomes null."""
    return dump_json(asdict(run)) + "\n"


def write_runs(path: str | Path, runs: Iterable[Run]) -> None:
    """Write all runs; a reader sees the old file or the new one, never a half."""
    with replacing(path) as temporary:
        temporary.write_text("".join(map(line_of, runs)), encoding="utf-8")


def read_runs(path: str | Path) -> list[Run]:
    """Read runs; of runs with one key the last counts.

    Raises
    ------
    InvalidFile
        A line is no run; the message names it.
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    runs = [_run(line, f"{path}: line {at}") for at, line in enumerate(lines, 1)]
    return list({run.key: run for run in runs}.values())


_MEASURED = ("seconds", "build", "best_known", "target", "base_mb", "peak_mb")
_ABSENT = {
    "objective": math.inf,
    "bound": -math.inf,
    "limit": math.inf,
    **dict.fromkeys(_MEASURED, math.nan),
}
"""What null stands for."""


def _run(line: str, where: str) -> Run:
    held = parse_json(line, where)
    unknown = set(held) - {entry.name for entry in fields(Run)}
    if unknown:
        raise InvalidFile(f"{where}: field {min(unknown)!r}; expected those of a run")
    for name, value in _ABSENT.items():
        if held.get(name) is None:
            held[name] = value
    for name in ("points", "bounds"):
        held[name] = tuple((s, value) for s, value in held.get(name, ()))
    try:
        return Run(**held)
    except TypeError as error:
        raise InvalidFile(f"{where}: not a run ({error})") from None
