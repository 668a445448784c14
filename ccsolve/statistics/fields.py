"""Fields of a manifest, read with distrust: InvalidStatistics says which is wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from ccsolve.errors import InvalidStatistics


def entries(
    entry: Mapping[str, Any], key: str, where: str = "manifest"
) -> list[dict[str, Any]]:
    """Give a list of objects."""
    return _list(entry, key, where, lambda item: isinstance(item, dict), "objects")


def names(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Give a list of names as a tuple."""
    return tuple(_list(entry, key, where, lambda item: isinstance(item, str), "names"))


def _list(
    entry: Mapping[str, Any],
    key: str,
    where: str,
    fits: Callable[[Any], bool],
    what: str,
) -> list[Any]:
    items = field(entry, key, list, where)
    if not all(fits(item) for item in items):
        raise InvalidStatistics(f"{where}: {key} {items!r:.80}; expected {what}")
    return items


def field(entry: Mapping[str, Any], key: str, kind: Any, where: str) -> Any:
    """Give a value of the kind."""
    if key not in entry:
        raise InvalidStatistics(f"{where}: no field {key!r}; it is required")
    value = entry[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = getattr(kind, "__name__", str(kind))
        raise InvalidStatistics(f"{where}: {key} {value!r:.80}; expected {wanted}")
    return value
