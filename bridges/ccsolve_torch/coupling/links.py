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
    places: list[str] = field(default_factory=list)
    frozen: list[tuple[Ids, str]] = field(default_factory=list)
    altered: list[tuple[Ids, frozenset[int], str]] = field(default_factory=list)
    split: list[tuple[Ids, frozenset[int], str, str]] = field(default_factory=list)
    spans: list[tuple[Ids, Ids, str]] = field(default_factory=list)
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

    def tie(self, a: Ids, b: Ids, place: str) -> None:
        """Tie entries pairwise after broadcasting; what meets no channel is frozen."""
        a, b = (part.ravel() for part in np.broadcast_arrays(a, b))
        met = (a != NONE) & (b != NONE)
        self.pairs.append((a[met], b[met]))
        self.places.append(place)
        for one, other in ((a, b), (b, a)):
            bare = one[(one != NONE) & (other == NONE)]
            self.freeze(bare, f"meets entries that are no channels in {place}")

    def tie_along(self, ids: Ids, axis: int, place: str) -> None:
        """Tie all entries along the axis to each other."""
        self.tie(ids, ids.take([0], axis=axis), place)

    def freeze(self, ids: Ids, reason: str) -> None:
        """Note that these channels stay, and why; the first reason counts."""
        flat = ids.ravel()
        if (flat != NONE).any():
            self.frozen.append((flat[flat != NONE], reason))

    def alter(self, ids: Ids, axes: frozenset[int], reason: str) -> None:
        """Note that removing channels along the axes is more than masking them.

        What goes as a whole along these axes is removed exactly.
        """
        self.altered.append((ids, axes, reason))

    def rectangle(
        self, ids: Ids, whole: frozenset[int], place: str, why: str = ""
    ) -> None:
        """Demand that an array of several axes stays one after removals.

        The axes in `whole` must keep their length, for the reason that `why` gives.
        """
        self.split.append((ids, whole, place, why))

    def span(self, wide: Ids, narrow: Ids, place: str) -> None:
        """Note that `narrow` broadcasts against `wide`, which varies along more axes.

        Where `wide` shrinks along the axes of `narrow`, their entries go together;
        where it shrinks along others, `narrow` has to stay.
        """
        self.spans.append((wide, narrow, place))

    def solve(self) -> "Solved":
        """Give the classes: components of the ties, once all demands are met."""
        while True:
            classes = self._components()
            if not self._meet(classes) and not self._mend(classes):
                frozen, altered = self._frozen(classes), self._altered(classes)
                last = {
                    int(number): place
                    for (a, _), place in zip(self.pairs, self.places, strict=True)
                    for number in np.unique(classes[a])[:1]
                }
                return Solved(classes, dict(frozen), dict(altered), last)

    def _components(self) -> Ids:
        a, b = (
            np.concatenate([[0], *part]) for part in zip(*self._edges(), strict=True)
        )
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), (self.count, self.count))
        return connected_components(graph, directed=False)[1].astype(np.int64)

    def _edges(self) -> list[tuple[Ids, Ids]]:
        empty = np.zeros(0, np.int64)
        return [(empty, empty), *self.pairs]

    def _mend(self, classes: Ids) -> bool:
        """Tie where an array is no rectangle; say whether there was one."""
        touched = np.zeros(self.count, dtype=bool)
        for ids, whole, place, why in self.split:
            found = classes[ids]
            axes = [axis for axis in range(ids.ndim) if _varies(found, axis)]
            # What was tied in this round already may be a rectangle in the next.
            if len(axes) > 1 and not touched[found].any():
                self._narrow(ids, axes, whole, place)
                touched[found] = True
            elif len(axes) == 1 and axes[0] in whole:
                self.freeze(ids, f"is read by {place}{why}")
        return bool(touched.any())

    def _meet(self, classes: Ids) -> bool:
        """Settle the spans by the axes along which classes vary; say if one was new.

        Spans of channels come before those of tables and scales, which have to follow.
        """
        made = np.zeros(self.count, dtype=bool)
        made[classes[np.concatenate([[NONE], *(ids for _, ids in self.born)])]] = True
        touched = np.zeros(self.count, dtype=bool)
        ordered = sorted(self.spans, key=lambda span: not made[classes[span[1]]].any())
        for wide, narrow, place in ordered:
            found, other = classes[wide], classes[narrow]
            if touched[found].any() or touched[other].any():
                continue
            axes = [axis for axis in range(wide.ndim) if _varies(found, axis)]
            if axes and all(narrow.shape[axis] == 1 for axis in axes):
                self.freeze(narrow, f"is read by {place}, where whole rows go")
            elif (found != other).any():
                self.tie(wide, narrow, place)
                touched[found] = touched[other] = True
        return bool(touched.any())

    def _narrow(
        self, ids: Ids, axes: list[int], whole: frozenset[int], place: str
    ) -> None:
        """Tie along all axes but one: the innermost of those that may shrink.

        Then entries that differ in the outer axes alone go together.
        """
        free = [axis for axis in axes if axis not in whole][-1:]
        for axis in (axis for axis in axes if axis not in free):
            self.tie_along(ids, axis, place)

    def _frozen(self, classes: Ids) -> Iterator[tuple[int, str]]:
        """Give (class, reason), later ones first, so that a dict keeps the first."""
        for ids, reason in reversed(self.frozen):
            for number in np.unique(classes[ids]):
                yield int(number), reason

    def _altered(self, classes: Ids) -> Iterator[tuple[int, str]]:
        for ids, axes, reason in reversed(self.altered):
            found = classes[ids]
            if any(_varies(found, axis) for axis in axes):
                for number in np.unique(found):
                    yield int(number), reason


@dataclass(frozen=True, eq=False)
class Solved:
    """`classes[atom]`, numbers without order; why classes are frozen or altered.

    `last` gives where the last tie within a class was made.
    """

    classes: Ids
    frozen: dict[int, str]
    altered: dict[int, str]
    last: dict[int, str]


def _varies(found: Ids, axis: int) -> bool:
    return bool((found != found.take([0], axis=axis)).any())
