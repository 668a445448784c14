"""Checks that turn what a user gives into clean, read-only arrays, or say why not."""

import math
import numbers
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem

SYMMETRY_TOLERANCE = 1e-6
"""Largest |Q - Qᵀ| accepted, relative to max |Q|; float32 products stay below it."""

LARGEST = 1e200
"""Largest datum accepted: objectives stay finite. A factor's is the root of it."""


def frozen(values: np.ndarray) -> np.ndarray:
    """Give the array back, write-protected."""
    values.setflags(write=False)
    return values


def real_array(
    name: str,
    values: Any,
    shape: tuple[int | None, ...],
    largest: float = LARGEST,
) -> np.ndarray:
    """Give a read-only float64 copy in C order; ``None`` in ``shape`` fits any size."""
    array = _float64_copy(name, values)
    fits = len(shape) == array.ndim and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise InvalidProblem(
            f"{name} has shape {array.shape}; expected {_shape_text(shape)}"
        )
    _require_computable(name, array, largest)
    return frozen(array)


def _float64_copy(name: str, values: Any) -> np.ndarray:
    try:
        given = np.asarray(values)
        if given.dtype.kind == "c":
            raise TypeError("it holds complex numbers")
        return np.array(given, dtype=np.float64, order="C")
    except (TypeError, ValueError, RuntimeError) as error:
        # A RuntimeError is torch's, of a tensor that requires gradients.
        raise InvalidProblem(
            f"{name} is not an array of real numbers: {error}"
        ) from None


def _require_computable(name: str, array: np.ndarray, largest: float) -> None:
    """Refuse what is not finite, and what products and sums of would not be."""
    finite = np.isfinite(array)
    if not finite.all():
        bad = int(array.size - finite.sum())
        raise InvalidProblem(
            f"{name} holds {bad} NaN or infinite entries; every entry must be finite"
        )
    found = float(max(array.max(initial=0.0), -array.min(initial=0.0)))
    if found > largest:
        raise InvalidProblem(
            f"{name} has entries up to {found:g} in size; expected at most "
            f"{largest:g} in size; rescale the problem"
        )


def symmetric_matrix(name: str, values: Any) -> np.ndarray:
    """Give a read-only symmetric float64 copy of a square matrix.

    Asymmetry up to ``SYMMETRY_TOLERANCE`` is rounding and is averaged away, which
    leaves zᵀQz as it is; more is refused, for a triangle is easily given for a matrix.
    """
    array = real_array(name, values, (None, None))
    if array.shape[0] != array.shape[1]:
        raise InvalidProblem(
            f"{name} has shape {array.shape}; expected a square matrix"
        )
    if array.size == 0:
        return array
    asymmetry = float(np.abs(array - array.T).max())
    if asymmetry > SYMMETRY_TOLERANCE * float(np.abs(array).max()):
        raise InvalidProblem(
            f"{name} is not symmetric: max |{name} - {name}ᵀ| = {asymmetry:.3g}; "
            f"give ({name} + {name}ᵀ)/2, which leaves the objective as it is"
        )
    return frozen(0.5 * (array + array.T)) if asymmetry else array


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """Give ``value`` as an int within [low, high]; refuse booleans and fractions."""
    whole = isinstance(value, numbers.Integral) and not isinstance(
        value, (bool, np.bool_)
    )
    if not whole or not low <= int(value) <= high:
        # A limit that no one means is no part of what is expected.
        within = f"from {low} to {high}" if high < 2**31 else f"of at least {low}"
        raise InvalidProblem(f"{name} = {value!r}; expected a whole number {within}")
    return int(value)


def real_number(name: str, value: Any, low: float = -math.inf) -> float:
    """Give ``value`` as a finite float of at least ``low``."""
    real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if not real or not math.isfinite(value) or value < low:
        floor = "" if low == -math.inf else f" of at least {low:g}"
        raise InvalidProblem(f"{name} = {value!r}; expected a finite number{floor}")
    return float(value)


def _shape_text(shape: tuple[int | None, ...]) -> str:
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"
