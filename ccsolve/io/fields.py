"""Take typed fields out of the arrays of a file, one clear error each."""

import numpy as np

from ccsolve.errors import InvalidFile

Arrays = dict[str, np.ndarray]


def take_text(arrays: Arrays, key: str, where: str) -> str:
    """Take out a text; InvalidFile if it is absent or of another type."""
    array = _required(arrays, key, where)
    if array.dtype.kind != "U" or array.size != 1:
        raise InvalidFile(f"{where}: {key} is {_shown(array)}; expected one text")
    return str(array.reshape(())[()])


def take_number(
    arrays: Arrays, key: str, where: str, default: float | None = None
) -> float | None:
    """Take out a number, the default if it is absent; not NaN unless allowed later."""
    if key not in arrays:
        return default
    array = arrays.pop(key)
    if array.dtype.kind not in "iuf" or array.size != 1:
        raise InvalidFile(f"{where}: {key} is {_shown(array)}; expected one number")
    return array.reshape(()).item()


def take_array(
    arrays: Arrays, key: str, where: str, axes: int | None = None
) -> np.ndarray | None:
    """Take out an array of numbers without NaN; None if it is absent."""
    if key not in arrays:
        return None
    array = arrays.pop(key)
    if array.dtype.kind not in "biuf" or (axes is not None and array.ndim != axes):
        wanted = "numbers" if axes is None else f"numbers with {axes} axes"
        raise InvalidFile(f"{where}: {key} is {_shown(array)}; expected {wanted}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InvalidFile(f"{where}: {key} holds NaN; expected numbers")
    return array


def refuse_rest(arrays: Arrays, where: str) -> None:
    """Raise InvalidFile if arrays are left that nobody took."""
    if arrays:
        raise InvalidFile(
            f"{where}: unknown array {min(arrays)!r}; it belongs to another kind of "
            "file or a newer ccsolve"
        )


def _required(arrays: Arrays, key: str, where: str) -> np.ndarray:
    if key not in arrays:
        found = ", ".join(sorted(arrays))[:100] or "nothing"
        raise InvalidFile(f"{where}: no array {key!r}; found {found}")
    return arrays.pop(key)


def _shown(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"
