"""Copying and pickling of frozen records: by their fields, through their checks."""

from collections.abc import Callable
from dataclasses import fields
from types import MappingProxyType
from typing import Any


def reduced(self: Any) -> tuple[Callable[..., Any], tuple[type, dict[str, Any]]]:
    """Give what `copy` and `pickle` make the record of again; its ``__reduce__``.

    The copy is checked and write-protected like the original. Pickled field by field
    it would not be: NumPy forgets the protection, for which kernels compile again, and
    read-only mappings cannot be pickled at all.
    """
    return made_again(
        type(self), {item.name: getattr(self, item.name) for item in fields(self)}
    )


def made_again(
    kind: type, parts: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[type, dict[str, Any]]]:
    """Give what makes a record of its constructor's arguments."""
    return _made, (kind, {name: _plain(value) for name, value in parts.items()})


def _made(kind: type, parts: dict[str, Any]) -> Any:
    return kind(**parts)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, MappingProxyType) else value
