"""Checks of the arrays that statistics hold: each gives back a read-only copy."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidStatistics

Array = NDArray[Any]

# Blocks are sums of float32 products, often of a million terms in another order
# above and below the diagonal; anything coarser than this is another matrix.
_ASYMMETRY = 1e-4

_BLOCK = 256


def real_array(value: object, where: str, shape: Sequence[int | None]) -> Array:
    """Give a finite, read-only float32 or float64 array of the shape.

    ``None`` in `shape` leaves that length free. Integers and lists become
    float64; float32 and float64 keep their type. An array that is read-only and
    contiguous already is shared, any other is copied.
    """
    array = _as_float(value, where)
    _check_shape(array, where, shape)
    if not np.isfinite(array).all():
        raise InvalidStatistics(f"{where}: holds NaN or infinity; expected finite")
    return _frozen(array)


def optional(value: object, where: str, shape: Sequence[int | None]) -> Array | None:
    """Give None for None, else `real_array`."""
    return None if value is None else real_array(value, where, shape)


def symmetric(value: object, where: str, size: int) -> Array | None:
    """Give None for None, else a symmetric `real_array` of shape (size, size)."""
    array = optional(value, where, (size, size))
    if array is None or array.size == 0:
        return array
    scale, error = _largest_and_asymmetry(array)
    if error > _ASYMMETRY * scale:
        raise InvalidStatistics(
            f"{where}: not symmetric, entries differ from their transposes by up to "
            f"{error:.3g}; expected a symmetric block"
        )
    return array


def _largest_and_asymmetry(array: Array) -> tuple[float, float]:
    """Give the largest entry and the largest difference of an entry to its mirror's.

    Block by block: of a matrix of some gigabytes no copy is made.
    """
    scale = error = 0.0
    for start in range(0, len(array), _BLOCK):
        rows = array[start : start + _BLOCK]
        scale = max(scale, float(np.abs(rows).max()))
        mirrored = array[:, start : start + _BLOCK].T
        error = max(error, float(np.abs(rows - mirrored).max()))
    return scale, error


def class_map(value: object, where: str) -> Array:
    """Give a read-only int64 vector of classes, -1 where no class is meant."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise InvalidStatistics(
            f"{where}: {array.dtype} of shape {array.shape}; expected a vector of "
            "integers"
        )
    if array.size and array.min() < -1:
        raise InvalidStatistics(f"{where}: class {array.min()}; expected -1 or more")
    return _frozen(array.astype(np.int64, copy=False))


def vectors(values: Mapping[str, Any], where: str, size: int) -> Mapping[str, Array]:
    """Give a read-only mapping of names to `real_array` vectors of one length."""
    checked = {
        name: real_array(value, f"{where}/{check_name(name, where)}", (size,))
        for name, value in values.items()
    }
    return MappingProxyType(checked)


def check_name(name: object, where: str) -> str:
    """Give the name back if it can stand in the name of a tensor."""
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable():
        raise InvalidStatistics(
            f"{where}: name {name!r}; expected printable text without '/'"
        )
    return name


def check_flag(value: object, where: str) -> bool:
    """Give the truth value back if it is one."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidStatistics(f"{where}: {value!r:.80}; expected true or false")
    return bool(value)


def check_count(value: object, where: str, least: int, most: int | None = None) -> int:
    """Give the integer back if least <= value <= most."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidStatistics(f"{where}: {value!r}; expected an integer")
    if value < least or (most is not None and value > most):
        upper = "or more" if most is None else f"to {most}"
        raise InvalidStatistics(f"{where}: {value}; expected {least} {upper}")
    return int(value)


def _as_float(value: object, where: str) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidStatistics(f"{where}: not an array ({error})") from None
    if array.dtype.kind in "iu":
        return array.astype(np.float64)
    if array.dtype not in (np.float32, np.float64):
        raise InvalidStatistics(
            f"{where}: type {array.dtype}; expected float32 or float64"
        )
    return array


def _check_shape(array: Array, where: str, shape: Sequence[int | None]) -> None:
    fits = array.ndim == len(shape) and all(
        wanted is None or length == wanted
        for length, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise InvalidStatistics(f"{where}: shape {array.shape}; expected ({wanted})")


def _frozen(array: Array) -> Array:
    if array.flags.writeable or not array.flags.c_contiguous:
        array = array.copy()
        array.flags.writeable = False
    return array
