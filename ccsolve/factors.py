"""Factor: the decision to hold one layer's weight as a chain of smaller ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem

FORMATS = ("svd", "tucker", "tt", "tr")
SPLITS = ("channel", "spatial")


@dataclass(frozen=True)
class Factor:
    """How one weight W, (n_out, n_in, kernel...), is factored, and to which ranks.

    Parameters
    ----------
    format
        "svd", "tucker" (Tucker-2, over output and input channels), "tt" (tensor
        train over output channels, kernel, input channels) or "tr" (the train closed
        to a ring), in which weights can be held near, but no chain of layers stands
        for it.
    ranks
        "svd": one. "tucker": of the output and of the input channels; a full rank of
        one side gives Tucker-1. "tt": one for each bond between neighbouring modes.
        "tr": one for each mode, of the bond before it; the first closes the ring.
        An int is the rank; a float in (0, 1] is that part of the full rank of the
        bond, rounded down, at least 1. One number alone stands for all bonds. Of a
        grouped convolution these are the ranks of every one of its groups.
    split
        "svd" alone. "channel": rows n_out, columns (n_in, kernel): a convolution of
        the whole kernel to r channels, then a pointwise one. "spatial": rows
        (n_out, later kernel axes), columns (n_in, first kernel axis): a vertical
        convolution to r channels, then a horizontal one.
    modes
        "tt" and "tr": n_out as a product of one or more modes, then the kernel as one
        mode or axis by axis, then n_in as a product: (16, 16, 9, 8, 8) for
        (256, 64, 3, 3). Empty: (n_out, kernel, n_in).

    Raises
    ------
    InvalidProblem
        Where a field is none of these.
    """

    format: str
    ranks: Any
    split: str = "channel"
    modes: Any = ()

    def __post_init__(self) -> None:
        """Check the fields; sequences become tuples of Python's own numbers."""
        if self.format not in FORMATS:
            raise InvalidProblem(
                f"factor: format {self.format!r}; expected one of {', '.join(FORMATS)}"
            )
        object.__setattr__(self, "ranks", _ranks(self.ranks))
        object.__setattr__(self, "modes", _modes(self.modes))
        if self.split not in SPLITS or (
            self.split != "channel" and self.format != "svd"
        ):
            raise InvalidProblem(
                f"factor: split {self.split!r} of format {self.format!r}; expected "
                "'channel', or of 'svd' also 'spatial'"
            )
        if self.modes and self.format not in ("tt", "tr"):
            raise InvalidProblem(
                f"factor: modes {self.modes} of format {self.format!r}; only 'tt' and "
                "'tr' have modes"
            )


def factor_of(value: Any, where: str) -> Factor:
    """Give the value if it is a `Factor`, or make one of a mapping of its fields.

    InvalidProblem, with `where` in its message, for anything else.
    """
    if isinstance(value, Factor):
        return value
    known = {item.name for item in fields(Factor)}
    if not isinstance(value, Mapping) or not {"format", "ranks"} <= set(value) <= known:
        raise InvalidProblem(
            f"{where} is {value!r:.80}; expected a Factor, or its format, ranks, split "
            "and modes"
        )
    try:
        return Factor(**value)
    except InvalidProblem as error:
        raise InvalidProblem(f"{where}: {error}") from None


def _ranks(value: Any) -> tuple[int | float, ...]:
    ranks = tuple(_rank(item) for item in (value if _sequence(value) else (value,)))
    if not ranks:
        raise InvalidProblem("factor: no ranks; expected one or more")
    return ranks


def _rank(value: Any) -> int | float:
    if isinstance(value, float | np.floating) and 0 < value <= 1:
        return float(value)
    return _positive(value, "rank", " or a float in (0, 1], a part of the full rank")


def _modes(value: Any) -> tuple[int, ...]:
    if not _sequence(value):
        raise InvalidProblem(
            f"factor: modes {value!r:.80}; expected a list of integers"
        )
    return tuple(_positive(item, "mode", "") for item in value)


def _positive(value: Any, name: str, other: str) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not 1 <= value < math.inf:
        raise InvalidProblem(
            f"factor: {name} {value!r:.80}; expected an integer >= 1{other}"
        )
    return int(value)


def _sequence(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
