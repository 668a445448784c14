"""The memory that a forward pass takes at given widths."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ccsolve.errors import InvalidStatistics
from ccsolve.statistics.arrays import check_name

MOST_GROUPS = 2


@dataclass(frozen=True)
class Bytes:
    """Bytes of count * product of the kept widths of `groups`, none, one or two."""

    groups: tuple[str, ...]
    count: float

    def __post_init__(self) -> None:
        """Check the number of groups and the count."""
        object.__setattr__(self, "groups", tuple(self.groups))
        if len(self.groups) > MOST_GROUPS:
            raise InvalidStatistics(
                f"memory: a part of {len(self.groups)} groups; expected 0, 1 or 2"
            )
        for name in self.groups:
            check_name(name, "memory: part")
        number = isinstance(self.count, int | float) and not isinstance(
            self.count, bool
        )
        if not number or not math.isfinite(self.count) or self.count < 0:
            raise InvalidStatistics(
                f"memory: count {self.count!r}; expected a finite number >= 0"
            )


Parts = tuple[Bytes, ...]


@dataclass(frozen=True)
class Memory:
    """Bytes of the weights, and of the tensors alive at each step of a forward pass.

    Parameters
    ----------
    weights
        Parameters and buffers, which are always there.
    steps
        By step of execution the activations of one sample that live then. A step
        whose every part is no larger than another's may be left out: it never is the
        peak.
    """

    weights: Parts = ()
    steps: tuple[Parts, ...] = ()

    def __post_init__(self) -> None:
        """Write the parts down as tuples."""
        object.__setattr__(self, "weights", tuple(self.weights))
        object.__setattr__(self, "steps", tuple(map(tuple, self.steps)))

    def groups(self) -> set[str]:
        """Give the names of all groups that the parts speak of."""
        every = (self.weights, *self.steps)
        return {name for parts in every for part in parts for name in part.groups}

    def at(self, widths: Mapping[str, int]) -> float:
        """Give the weights' bytes plus the largest step's at the widths."""
        peak = max((_sum(step, widths) for step in self.steps), default=0)
        return _sum(self.weights, widths) + peak


def undominated(steps: Iterable[Parts]) -> tuple[Parts, ...]:
    """Give the steps that can be the peak at some widths, parts of a product summed.

    A step goes if another has at least its bytes for every product of groups. O(steps²
    · parts).
    """
    kept: list[dict[tuple[str, ...], float]] = []
    for step in map(_by_product, steps):
        if not any(_within(step, other) for other in kept):
            kept = [other for other in kept if not _within(other, step)]
            kept.append(step)
    return tuple(
        tuple(Bytes(groups, count) for groups, count in step.items()) for step in kept
    )


def _by_product(step: Iterable[Bytes]) -> dict[tuple[str, ...], float]:
    sums: dict[tuple[str, ...], float] = {}
    for part in step:
        groups = tuple(sorted(part.groups))
        sums[groups] = sums.get(groups, 0) + part.count
    return {groups: count for groups, count in sums.items() if count}


def _within(
    step: Mapping[tuple[str, ...], float], other: Mapping[tuple[str, ...], float]
) -> bool:
    return all(count <= other.get(groups, 0) for groups, count in step.items())


def _sum(parts: Parts, widths: Mapping[str, int]) -> float:
    return sum(
        part.count * math.prod(widths[name] for name in part.groups) for part in parts
    )
