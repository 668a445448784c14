"""JSON as the standard has it: no NaN, no infinity, no repeated key."""

import json
import math
from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """Give the object that `text` holds; InvalidFile naming `where` otherwise."""
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidFile(f"{where}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise InvalidFile(f"{where}: a JSON {type(value).__name__}; expected an object")
    return value


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """Give JSON text; NaN and infinities become null, numpy data plain lists."""
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """Give the value as JSON can hold it: mappings, lists, numbers, text, null.

    NaN and infinities become None. TypeError for anything else.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "items"):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} is no JSON data")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} overflows")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
