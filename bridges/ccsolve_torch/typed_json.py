"""Frozen records as JSON and back, by the types that their fields declare."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from ccsolve.errors import InvalidFile


def as_json(record: Any) -> Any:
    """Give what JSON can hold: records become objects, arrays lists.

    NaN and infinities are left to `dump_json`, which writes null.
    """
    if is_dataclass(record):
        return {
            item.name: as_json(getattr(record, item.name)) for item in fields(record)
        }
    if isinstance(record, Mapping):
        return {key: as_json(value) for key, value in record.items()}
    if isinstance(record, tuple | list):
        return [as_json(value) for value in record]
    return record.tolist() if isinstance(record, np.ndarray | np.generic) else record


def from_json(kind: Any, value: Any, where: str) -> Any:
    """Give the value as `kind`: a record, or what a record's field can be declared as.

    Those are numbers, text, arrays, mappings from text, tuples of one kind, unions and
    records. A null number is NaN. InvalidFile, with `where`, for what does not fit.
    """
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, where)
    if origin in (Union, UnionType):
        return _union(arguments, value, where)
    if origin is np.ndarray:
        return _array(arguments[-1], value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _expect(isinstance(value, dict), "an object", value, where)
        inner = arguments[1] if arguments else Any
        return {k: from_json(inner, v, f"{where}.{k}") for k, v in value.items()}
    if origin in (tuple, list):
        _expect(isinstance(value, list), "a list", value, where)
        return origin(_items(arguments, value, where))
    return _scalar(kind, value, where)


def _record(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), "an object", value, where)
    hints, declared = get_type_hints(kind), {item.name: item for item in fields(kind)}
    unknown = [name for name in value if name not in declared]
    missing = [
        name
        for name, item in declared.items()
        if name not in value
        and item.default is MISSING
        and item.default_factory is MISSING
    ]
    if unknown or missing:
        raise InvalidFile(
            f"{where}: fields missing {missing}, unknown {unknown}; expected those of "
            f"a {kind.__name__}"
        )
    given = {
        name: from_json(hints[name], item, f"{where}.{name}")
        for name, item in value.items()
    }
    return kind(**given)


def _union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    problems = []
    for kind in kinds:
        try:
            return from_json(kind, value, where)
        except InvalidFile as error:
            problems.append(error)
    raise problems[-1]


def _array(kind: Any, value: Any, where: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        raise InvalidFile(f"{where}: a ragged list; expected numbers") from None
    wanted = np.dtype((get_args(kind) or (np.float64,))[0])
    numbers = array.dtype.kind in "biuf" or array.size == 0
    _expect(numbers and isinstance(value, list), "a list of numbers", value, where)
    fits = wanted.kind == "f" or array.dtype.kind != "f" or array.size == 0
    _expect(fits, f"a list of {wanted}", value, where)
    return array.astype(wanted)


def _items(arguments: tuple[Any, ...], value: list[Any], where: str) -> list[Any]:
    many = len(arguments) != 1 and not (len(arguments) == 2 and arguments[1] is ...)
    kinds = list(arguments) if many else [arguments[0]] * len(value)
    _expect(len(kinds) == len(value), f"{len(kinds)} entries", value, where)
    return [
        from_json(kind, item, f"{where}[{place}]")
        for place, (kind, item) in enumerate(zip(kinds, value, strict=True))
    ]


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if kind is float and value is None:
        return math.nan
    number = isinstance(value, int | float) and not isinstance(value, bool)
    sound = number if kind is float else isinstance(value, kind)
    sound = sound and not (kind is int and isinstance(value, bool))
    _expect(sound, kind.__name__, value, where)
    return value


def _expect(sound: bool, wanted: str, value: Any, where: str) -> None:
    if not sound:
        raise InvalidFile(f"{where}: {value!r:.60}; expected {wanted}")
