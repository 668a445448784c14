"""Read and write files of problems and solutions by their suffix."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidFile, InvalidProblem, Unsupported
from ccsolve.io.channel_selection import selection_arrays, selection_of
from ccsolve.io.fields import Arrays, take_number, take_text
from ccsolve.io.low_rank import low_rank_arrays, low_rank_of
from ccsolve.io.lp import write_lp
from ccsolve.io.network_selection import network_arrays, network_of
from ccsolve.io.npz import read_arrays, write_arrays
from ccsolve.io.pair_lists import read_biqmac, read_mdplib
from ccsolve.io.plain_problems import (
    reconstruction_arrays,
    reconstruction_of,
    smooth_arrays,
    smooth_of,
)
from ccsolve.io.qplib import read_qplib, write_qplib
from ccsolve.io.rate_allocation import allocation_arrays, allocation_of
from ccsolve.io.solution_record import solution_arrays, solution_of
from ccsolve.problems.allocation import RateAllocation
from ccsolve.problems.low_rank import LowRankFit
from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.reconstruction import ReconstructionSelection
from ccsolve.problems.selection import ChannelSelection
from ccsolve.problems.smooth_allocation import SmoothRateAllocation
from ccsolve.solution import Problem, Solution

SCHEMA = 1

_KINDS: dict[str, tuple[type, Callable[..., Arrays], Callable[[Arrays, str], Any]]] = {
    "ChannelSelection": (ChannelSelection, selection_arrays, selection_of),
    "ReconstructionSelection": (
        ReconstructionSelection,
        reconstruction_arrays,
        reconstruction_of,
    ),
    "SmoothRateAllocation": (SmoothRateAllocation, smooth_arrays, smooth_of),
    "RateAllocation": (RateAllocation, allocation_arrays, allocation_of),
    "LowRankFit": (LowRankFit, low_rank_arrays, low_rank_of),
    "NetworkSelection": (NetworkSelection, network_arrays, network_of),
    "Solution": (Solution, solution_arrays, solution_of),
}
_SUFFIXES = {
    ".npz": "npz",
    ".qplib": "qplib",
    ".lp": "lp",
    ".bq": "biqmac",
    ".sparse": "biqmac",
    ".mdp": "mdplib",
    ".mdplib": "mdplib",
}


def read(path: str | Path, format: str | None = None) -> Any:
    """Read a problem or a solution.

    Parameters
    ----------
    path
        The suffix names the format: ``.npz`` (ours), ``.qplib``, ``.bq`` or
        ``.sparse`` (Biq Mac), ``.mdp`` or ``.mdplib`` (MDPLIB).
    format
        "npz", "qplib", "biqmac" or "mdplib", for any other suffix. Biq Mac and
        MDPLIB files look alike (``.txt``, ``.dat``) and mean different things, so
        nothing is guessed.

    Raises
    ------
    InvalidFile
        The file is absent, damaged, truncated, of another kind or schema, or its
        data make no valid problem.
    Infeasible
        The file is sound and its problem has no feasible point.
    """
    path = Path(path)
    chosen = _format(path, format)
    if chosen not in _READERS:
        raise InvalidFile(
            f"{path}: .{chosen} is written only; read .npz or .qplib, which hold the "
            "same problem"
        )
    if not path.is_file():
        raise InvalidFile(f"{path}: no such file")
    try:
        return _READERS[chosen](path)
    except InvalidProblem as error:
        raise InvalidFile(f"{path}: {error}") from None
    except Infeasible as error:
        raise Infeasible(f"{path}: {error}") from None


def write(
    path: str | Path, value: Problem | Solution, format: str | None = None
) -> None:
    """Write a problem or a solution; the file appears whole or not at all.

    Parameters
    ----------
    path
        ``.npz`` for every kind; for a `ChannelSelection` also ``.lp``, and without
        fixings ``.qplib``.
    value
        A problem or a `Solution`.
    format
        "npz", "lp" or "qplib", for any other suffix.

    Raises
    ------
    Unsupported
        The format cannot hold the value.
    """
    path = Path(path)
    chosen = _format(path, format)
    if chosen == "npz":
        _write_npz(path, value)
    elif chosen in _WRITERS and isinstance(value, ChannelSelection):
        _WRITERS[chosen](path, value)
    else:
        raise Unsupported(
            f"{path}: a {type(value).__name__} cannot be written as {chosen}; "
            "write .npz"
        )


def _format(path: Path, given: str | None) -> str:
    found = _SUFFIXES.get(path.suffix.lower()) if given is None else given
    names = dict.fromkeys(_SUFFIXES.values())
    if found not in names:
        raise InvalidFile(
            f"{path}: format {given or path.suffix!r} unknown; expected a suffix of "
            f"{', '.join(_SUFFIXES)}, or format= one of {', '.join(names)}"
        )
    return found


def _read_npz(path: Path) -> Any:
    arrays, where = read_arrays(path), str(path)
    schema = take_number(arrays, "schema", where)
    if schema != SCHEMA:
        raise InvalidFile(f"{path}: schema {schema}; expected {SCHEMA}")
    kind = take_text(arrays, "kind", where)
    if kind not in _KINDS:
        raise InvalidFile(f"{path}: kind {kind!r}; expected one of {', '.join(_KINDS)}")
    return _KINDS[kind][2](arrays, where)


def _write_npz(path: Path, value: object) -> None:
    for kind, (holder, arrays_of, _) in _KINDS.items():
        if isinstance(value, holder):
            head = {"schema": np.asarray(SCHEMA), "kind": np.asarray(kind)}
            write_arrays(path, head | arrays_of(value))
            return
    raise Unsupported(
        f"{path}: a {type(value).__name__} has no .npz format; expected one of "
        f"{', '.join(_KINDS)}"
    )


_READERS: dict[str, Callable[[Path], Any]] = {
    "npz": _read_npz,
    "qplib": read_qplib,
    "biqmac": read_biqmac,
    "mdplib": read_mdplib,
}
_WRITERS: dict[str, Callable[[Path, ChannelSelection], None]] = {
    "qplib": write_qplib,
    "lp": write_lp,
}
