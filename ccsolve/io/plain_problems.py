"""Problems whose fields are arrays and numbers: each under its own name."""

from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile
from ccsolve.io.fields import Arrays, refuse_rest, take_array, take_number
from ccsolve.problems.reconstruction import ReconstructionSelection
from ccsolve.problems.smooth_allocation import SmoothRateAllocation

_RECONSTRUCTION = ("moments", "cross"), ("keep", "group", "constant"), ("weights",)
_SMOOTH = ("scale", "rate", "size", "floor", "cap"), ("remove", "weighted"), ()


def reconstruction_arrays(problem: ReconstructionSelection) -> Arrays:
    """Give the arrays that hold the problem; weights that are None are left out."""
    return _arrays(problem, sum(_RECONSTRUCTION, ()))


def reconstruction_of(arrays: Arrays, where: str) -> ReconstructionSelection:
    """Give the problem that the arrays hold; the problem's own checks apply."""
    return ReconstructionSelection(**_fields(arrays, where, *_RECONSTRUCTION))


def smooth_arrays(problem: SmoothRateAllocation) -> Arrays:
    """Give the arrays that hold the problem."""
    return _arrays(problem, sum(_SMOOTH, ())) | {
        "weighted": np.asarray(int(problem.weighted))
    }


def smooth_of(arrays: Arrays, where: str) -> SmoothRateAllocation:
    """Give the problem that the arrays hold; the problem's own checks apply."""
    fields = _fields(arrays, where, *_SMOOTH)
    if fields["weighted"] not in (0, 1):
        raise InvalidFile(f"{where}: weighted is {fields['weighted']}; expected 0 or 1")
    return SmoothRateAllocation(**fields | {"weighted": bool(fields["weighted"])})


def _arrays(problem: object, names: tuple[str, ...]) -> Arrays:
    values = {name: getattr(problem, name) for name in names}
    return {
        name: np.asarray(value) for name, value in values.items() if value is not None
    }


def _fields(
    arrays: Arrays,
    where: str,
    needed: tuple[str, ...],
    numbers: tuple[str, ...],
    optional: tuple[str, ...],
) -> dict[str, Any]:
    missing = [name for name in (*needed, *numbers) if name not in arrays]
    if missing:
        raise InvalidFile(f"{where}: no array {missing[0]!r}; every such file has one")
    found: dict[str, Any] = {
        name: take_array(arrays, name, where) for name in (*needed, *optional)
    }
    found |= {name: take_number(arrays, name, where) for name in numbers}
    refuse_rest(arrays, where)
    return found
