"""One row per program and method: the raw result that tables and figures come from."""

import math
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from ccsolve import __version__
from ccsolve.io.atomic import replacing
from ccsolve.io.strict_json import dump_json
from ccsolve.solution import Stop


@dataclass(frozen=True)
class Row:
    """What one method gave on one program.

    Attributes
    ----------
    family, instance : which program, e.g. "ggn" and "layer1.0.conv1".
    n, keep : its size.
    method : a heuristic's name, or `SOLVER` for the method that "auto" picked.
    objective : the value of the point, by the scorer; inf if it is infeasible.
    seconds : wall time taken.
    solved_by : the registered method that ran; "" for a ranking.
    bound : a proven lower bound, -inf where there is none.
    gap, natural_gap, cancels, stop : as `Solution` has them.
    time_limit, seed : as given to the method; a ranking has neither.
    """

    family: str
    instance: str
    n: int
    keep: int
    method: str
    objective: float
    seconds: float
    solved_by: str = ""
    bound: float = -math.inf
    gap: float = math.inf
    natural_gap: float = math.inf
    cancels: bool = False
    stop: str = Stop.FINISHED.value
    time_limit: float = math.inf
    seed: int | None = None


SOLVER = "solver"
"""The method name of the row that holds what "auto" found."""

_LIBRARIES = ("numpy", "scipy", "numba")


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
    """Write the rows as JSON lines, each with the machine and the versions it is of."""
    where = environment()
    lines = [dump_json({**asdict(row), **where}) + "\n" for row in rows]
    with replacing(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def environment() -> dict[str, object]:
    """Give the machine and the versions that a timing is worth nothing without."""
    libraries = {name: metadata.version(name) for name in _LIBRARIES}
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {"ccsolve": __version__, **libraries},
    }
