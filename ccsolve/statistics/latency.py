"""How long an operation takes at given widths: tables in microseconds."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidStatistics
from ccsolve.problems.records import reduced
from ccsolve.statistics.arrays import check_count, check_name, real_array
from ccsolve.statistics.planes import plane_above

Array = NDArray[Any]

MOST_GROUPS = 2
"""Tables of more groups count by the plane above them."""


@dataclass(frozen=True, eq=False)
class LatencyTable:
    """Microseconds of one operation by how much it reads and how much it makes.

    It reads Σ_g inputs[g]·k_g entries and makes Σ_h outputs[h]·k_h at widths k, and
    takes T(read, made): the entry of `microseconds` at the next grid points upwards,
    so that between them it is never told too fast.

    A table that speaks of more than two groups (a concatenation before, another group
    behind) counts by p + q·read + r·made + s·read·made instead, the smallest such
    function that is nowhere below T: only so costs stay sums over pairs of groups.

    Parameters
    ----------
    name
        The operation's, or what else the time is spent on.
    microseconds
        (R, M), finite and > 0.
    inputs, outputs
        Group -> entries per class; empty where no width matters. A depthwise
        convolution names its group on one side alone.
    read, made
        Rising whole numbers >= 0, (R,) and (M,), the last one at least what the dense
        network reads and makes; one point on a side without groups.
    """

    name: str
    microseconds: Array
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
    read: Array = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    made: Array = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check the parts; raise InvalidStatistics for what does not fit."""
        where = f"latency/{check_name(self.name, 'latency')}"
        shape = []
        for side, axis in (("inputs", "read"), ("outputs", "made")):
            entries = _entries(getattr(self, side), f"{where}/{side}")
            grid = _grid(getattr(self, axis), f"{where}/{axis}", bool(entries))
            object.__setattr__(self, side, entries)
            object.__setattr__(self, axis, grid)
            shape.append(len(grid))
        times = real_array(self.microseconds, f"{where}/microseconds", shape)
        if times.min() <= 0:
            raise InvalidStatistics(
                f"{where}/microseconds: holds {times.min():g}; expected times > 0"
            )
        object.__setattr__(self, "microseconds", times)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups that the table speaks of, each once."""
        return tuple(dict.fromkeys((*self.inputs, *self.outputs)))

    def at(self, widths: Mapping[str, Any]) -> Any:
        """Give the microseconds at the widths: integers, or arrays that broadcast.

        A float for integers. Widths beyond the dense network's count as the last grid
        point.
        """
        read = _amount(self.inputs, widths)
        made = _amount(self.outputs, widths)
        if len(self.groups) > MOST_GROUPS:
            p, q, r, s = self.plane
            found = p + q * read + r * made + s * read * made
        else:
            found = self.microseconds[_up(self.read, read), _up(self.made, made)]
        return float(found) if np.ndim(found) == 0 else found

    @cached_property
    def plane(self) -> tuple[float, float, float, float]:
        """(p, q, r, s) >= 0 of the smallest p + q·x + r·y + s·x·y above the table."""
        return plane_above(_starts(self.read), _starts(self.made), self.microseconds)

    def products(self) -> list[tuple[tuple[str, ...], float]]:
        """Give the plane as coefficients of products of the groups' widths."""
        p, q, r, s = self.plane
        read, made = self.inputs.items(), self.outputs.items()
        found: list[tuple[tuple[str, ...], float]] = [((), p)]
        found += [((name,), q * count) for name, count in read]
        found += [((name,), r * count) for name, count in made]
        return found + [
            ((first, second), s * m * n) for first, m in read for second, n in made
        ]

    def rising(self) -> "LatencyTable":
        """Give the smallest table that is nowhere below and falls along no axis.

        Timings scatter, and some kernels are slower at smaller widths; recipes widen
        groups until a budget is full, and take it that a wider one never costs less.
        """
        times = np.maximum.accumulate(self.microseconds, axis=0)
        return replace(self, microseconds=np.maximum.accumulate(times, axis=1))

    def covers(self, sizes: Mapping[str, int]) -> bool:
        """Say whether the grids reach the dense network's widths."""
        sides = ((self.inputs, self.read), (self.outputs, self.made))
        return all(_amount(entries, sizes) <= grid[-1] for entries, grid in sides)


def _amount(entries: Mapping[str, int], widths: Mapping[str, Any]) -> Any:
    return sum((count * widths[name] for name, count in entries.items()), start=0)


def _up(grid: Array, amount: Any) -> Any:
    """Give the place of the first grid point that is not below the amount."""
    if isinstance(amount, int):  # the many calls of recipes; the other way takes 5 us
        return min(bisect_left(grid, amount), len(grid) - 1)
    return np.minimum(np.searchsorted(grid, amount), len(grid) - 1)


def _starts(grid: Array) -> Array:
    """Give the least amount that counts as each grid point."""
    return np.concatenate([[0], grid[:-1] + 1])


def _entries(entries: Mapping[str, int], where: str) -> Mapping[str, int]:
    return MappingProxyType(
        {
            check_name(name, where): check_count(count, f"{where}/{name}", 1)
            for name, count in entries.items()
        }
    )


def _grid(values: object, where: str, free: bool) -> Array:
    grid = np.array(values)
    if grid.ndim != 1 or not grid.size or grid.dtype.kind not in "iu":
        raise InvalidStatistics(
            f"{where}: {grid.dtype} of shape {grid.shape}; expected a vector of "
            "integers"
        )
    grid = grid.astype(np.int64)
    if grid[0] < 0 or (np.diff(grid) <= 0).any():
        raise InvalidStatistics(f"{where}: {grid!r:.80}; expected rising, from 0 up")
    if len(grid) > 1 and not free:
        raise InvalidStatistics(
            f"{where}: {len(grid)} points where no group is named; expected one"
        )
    grid.flags.writeable = False
    return grid
