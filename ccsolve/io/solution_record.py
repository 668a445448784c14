"""Solution as named arrays."""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile, Unsupported
from ccsolve.io.fields import (
    Arrays,
    refuse_rest,
    take_array,
    take_number,
    take_text,
)
from ccsolve.io.strict_json import dump_json, parse_json, plain
from ccsolve.solution import Solution, Stop, TracePoint

_NUMBERS = ("objective", "bound", "seconds", "resolution", "natural_scale")
_DUAL = "duals/"
_PART = "x/"


def solution_arrays(solution: Solution) -> Arrays:
    """Give the arrays that hold the solution; of `extra`, what JSON can hold.

    Infinite bounds and objectives stay infinite: float64 has them, JSON has not.
    """
    arrays = {key: np.asarray(float(getattr(solution, key))) for key in _NUMBERS}
    arrays["stop"] = np.asarray(solution.stop.value)
    arrays["method"] = np.asarray(solution.method)
    arrays["trace"] = np.array(solution.trace, dtype=np.float64).reshape(-1, 4)
    arrays["extra"] = np.asarray(dump_json(_portable(solution.extra)))
    if solution.x is not None:
        arrays |= _point(solution.x)
    for name, values in solution.duals.items():
        arrays[f"{_DUAL}{name}"] = np.asarray(values, dtype=np.float64)
    return arrays


def solution_of(arrays: Arrays, where: str) -> Solution:
    """Give the solution that the arrays hold; InvalidFile if they contradict it."""
    numbers = {key: _number(arrays, key, where) for key in _NUMBERS}
    duals = {
        key.removeprefix(_DUAL): take_array(arrays, key, where, 1)
        for key in [key for key in arrays if key.startswith(_DUAL)]
    }
    solution = Solution(
        x=_point_of(arrays, where),
        stop=_stop(take_text(arrays, "stop", where), where),
        method=take_text(arrays, "method", where),
        trace=_trace(arrays, where),
        duals={name: values for name, values in duals.items() if values is not None},
        extra=parse_json(take_text(arrays, "extra", where), f"{where}: extra"),
        **numbers,
    )
    refuse_rest(arrays, where)
    _check_values(solution, where)
    return solution


def _portable(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Give what JSON can hold; the rest is never needed to read a solution."""
    kept = {}
    for key, value in extra.items():
        with suppress(TypeError):
            kept[key] = plain(value)
    return kept


def _point(x: object) -> Arrays:
    """Give a vector as "x", a list of arrays as "x/0", "x/1", ..."""
    if isinstance(x, list):
        parts = [np.asarray(part) for part in x]
    else:
        parts = [np.asarray(x)]
    vector = isinstance(x, list) or parts[0].ndim == 1
    if not vector or any(part.dtype.kind not in "biuf" for part in parts):
        raise Unsupported(
            f"x of type {type(x).__name__}; only a vector of numbers, or a list of "
            "arrays of numbers, has a file format"
        )
    if not isinstance(x, list):
        return {"x": parts[0]}
    return {f"{_PART}{at}": part for at, part in enumerate(parts)}


def _point_of(arrays: Arrays, where: str) -> Any:
    parts = sum(key.startswith(_PART) for key in arrays)
    if not parts:
        return take_array(arrays, "x", where, 1)
    # A number that is missing leaves another one over, which is refused as unknown.
    found = [take_array(arrays, f"{_PART}{at}", where) for at in range(parts)]
    return [part for part in found if part is not None]


def _number(arrays: Arrays, key: str, where: str) -> float:
    value = take_number(arrays, key, where)
    if value is None:
        raise InvalidFile(f"{where}: no array {key!r}; every solution has one")
    return float(value)


def _stop(text: str, where: str) -> Stop:
    known = [stop.value for stop in Stop]
    if text not in known:
        raise InvalidFile(f"{where}: stop {text!r}; expected one of {', '.join(known)}")
    return Stop(text)


def _trace(arrays: Arrays, where: str) -> tuple[TracePoint, ...]:
    rows = take_array(arrays, "trace", where, 2)
    if rows is None or rows.shape[1] != 4 or not np.isfinite(rows[:, :2]).all():
        raise InvalidFile(
            f"{where}: trace is absent or misshapen; expected (T, 4): seconds, step, "
            "objective, bound"
        )
    return tuple(
        TracePoint(float(seconds), int(step), float(objective), float(bound))
        for seconds, step, objective, bound in rows
    )


def _check_values(solution: Solution, where: str) -> None:
    if math.isnan(solution.objective) or math.isnan(solution.bound):
        raise InvalidFile(f"{where}: objective or bound is NaN; expected a number")
    if (solution.x is None) != (solution.objective == math.inf):
        raise InvalidFile(
            f"{where}: objective {solution.objective:g} "
            f"{'without' if solution.x is None else 'with'} a point x; expected a "
            "point exactly where the objective is finite"
        )
    parts = solution.x if isinstance(solution.x, list) else [solution.x]
    if solution.x is not None and not all(np.isfinite(part).all() for part in parts):
        raise InvalidFile(f"{where}: x holds infinities; expected finite numbers")
    if not math.isfinite(solution.resolution) or solution.resolution < 0:
        raise InvalidFile(
            f"{where}: resolution {solution.resolution}; expected a finite number >= 0"
        )
