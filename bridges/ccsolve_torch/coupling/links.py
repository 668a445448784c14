"""What is tied to what: a log of ties between atoms, solved into classes at the end.

An atom is one entry of one axis of one tensor. Ties, freezes and the demand that a
split axis stays a rectangle are only logged while the model is followed; one pass of
connected components then gives the classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ids = NDArray[np.int64]

NONE = 0
"""The atom of entries that are no channel: inputs of the model, constants, padding."""


@dataclass
class Links:
    """The log, in the order of execution.

    `axes` gives the atoms of each (tensor, axis); `born` those that a layer makes, with
    the layer's name; `altered` those whose removal is not the same as masking them.
    """

    axes: dict[tuple[str, int], Ids] = field(default_factory=dict)
    born: list[tuple[str, Ids]] = field(default_factory=list)
    pairs: list[tuple[Ids, Ids]] = field(default_factory=list)
    frozen: list[tuple[Ids, str]] = field(default_factory=list)
    altered: list[tuple[Ids, str]] = field(default_factory=list)
    split: list[tuple[Ids, frozenset[int]]] = field(default_factory=list)
    count: int = 1

    def axis(self, tensor: str, axis: int, length: int) -> Ids:
        """Give the atoms of one axis of a tensor."""
        if (tensor, axis) not in self.axes:
            self.axes[tensor, axis] = np.arange(self.count, self.count + length)
            self.count += length
        return self.axes[tensor, axis]

    def bear(self, owner: str, ids: Ids) -> None:
        """Note that a layer makes these channels: only such can be removed."""
        self.born.append((owner, ids.ravel()))

    def tie(self, a: Ids, b: Ids, reason: str) -> None:
        """Tie entries pairwise after broadcasting; what meets no channel is frozen."""
        a, b = (part.ravel() for part in np.broadcast_arrays(a, b))
        met = (a != NONE) & (b != NONE)
        self.pairs.append((a[met], b[met]))
        for one, other in ((a, b), (b, a)):
            self.freeze(one[(one != NONE) & (other == NONE)], reason)

    def tie_along(self, ids: Ids, axis: int, reason: str) -> None:
        """Tie all entries along the axis to each other."""
        self.tie(ids, ids.take([0], axis=axis), reason)

    def freeze(self, ids: Ids, reason: str) -> None:
        """Note that these channels stay, and why; the first reason counts."""
        flat = ids.ravel()
        if (flat != NONE).any():
            self.frozen.append((flat[flat != NONE], reason))

    def alter(self, ids: Ids, reason: str) -> None:
        """Note that removing these channels is more than masking them, and why."""
        self.altered.append((ids[ids != NONE].ravel(), reason))

    def rectangle(self, ids: Ids, whole: frozenset[int] = frozenset()) -> None:
        """Demand that an array of several axes stays one after removals.

        The axes in `whole` must keep their length, because the code picks entries of
        them by number.
        """
        self.split.append((ids, whole))

    def solve(self) -> "Solved":
        """Give the classes: components of the ties, once all rectangles hold."""
        while True:
            classes = self._components()
            if not any([self._mend(classes, *item) for item in self.split]):
                return Solved(classes, dict(self._frozen(classes)))

    def _components(self) -> Ids:
        a, b = (
            np.concatenate([[0], *part]) for part in zip(*self._edges(), strict=True)
        )
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), (self.count, self.count))
        return connected_components(graph, directed=False)[1].astype(np.int64)

    def _edges(self) -> list[tuple[Ids, Ids]]:
        empty = np.zeros(0, np.int64)
        return [(empty, empty), *self.pairs]

    def _mend(self, classes: Ids, ids: Ids, whole: frozenset[int]) -> bool:
        """Tie where the classes vary along two axes, or along one that stays whole.

        Of several axes that might shrink the innermost one does: entries that differ
        in the outer axes alone go together.
        """
        found = classes[ids]
        axes = [axis for axis in range(ids.ndim) if _varies(found, axis)]
        free = [axis for axis in axes if axis not in whole][-1:]
        for axis in (axis for axis in axes if axis not in free):
            self.tie_along(
                ids, axis, "shares an axis with entries that are no channels"
            )
        if axes and not free:
            self.freeze(ids, "stands on an axis whose entries the code picks by number")
        return len(axes) > 1

    def _frozen(self, classes: Ids) -> Iterator[tuple[int, str]]:
        """Give (class, reason), later ones first, so that a dict keeps the first."""
        for ids, reason in reversed(self.frozen):
            for number in np.unique(classes[ids]):
                yield int(number), reason


@dataclass(frozen=True, eq=False)
class Solved:
    """`classes[atom]`, numbers without order, and why classes are frozen."""

    classes: Ids
    frozen: dict[int, str]


def _varies(found: Ids, axis: int) -> bool:
    return bool((found != found.take([0], axis=axis)).any())
