"""From ties to classes, and from classes to groups of alike ones."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsolve_torch.coupling.exported import spelled
from ccsolve_torch.coupling.flow import Flow
from ccsolve_torch.coupling.links import NONE, Ids, Solved

FIXED = -1
"""The class of entries that stay."""

COMPUTED = "computes its weight by what mixes or hides its channels"
"""Why no channel of a layer such as `LinearConv` can go."""

# A term of the cost is a product of two widths at most.
_MOST_AXES = 2


@dataclass(frozen=True, eq=False)
class Classes:
    """The removable classes, numbered group by group.

    `number[atom]` is the class of the atom, FIXED where it stays; group `name` holds
    the classes from `first[name]` to `first[name] + sizes[name] - 1`. `altered` gives
    the reason why removal is more than masking, by group. `frozen` says of every layer
    why channels of it stay.
    """

    number: Ids
    first: Mapping[str, int]
    sizes: Mapping[str, int]
    altered: Mapping[str, str]
    frozen: Mapping[str, str]

    def of(self, name: str, ids: Ids) -> Ids:
        """Give the class within the group of every atom, FIXED outside of it."""
        local = self.number[ids] - self.first[name]
        return np.where((local >= 0) & (local < self.sizes[name]), local, FIXED)

    def count(self, ids: Ids) -> tuple[dict[str, int], int]:
        """Give how many of the entries each class of a group has, and how many stay."""
        found = self.number[ids.ravel()]
        removable = found[found != FIXED]
        counts = np.bincount(removable, minlength=sum(self.sizes.values()))
        held = {name: int(counts[first]) for name, first in self.first.items()}
        present = {name: amount for name, amount in held.items() if amount}
        return present, len(found) - len(removable)


def classified(flow: Flow) -> Classes:
    """Give the classes of the flow: made by a layer, read by one, and nowhere frozen.

    Classes are alike, and form a group, if every axis of every tensor has the same
    number of entries of them: then cost depends on how many of them are kept.
    """
    solved = flow.links.solve()
    born = _born(flow, solved)
    kept = _removable(flow, solved, born)
    marks = _signatures(flow, solved)
    groups: dict[int, list[int]] = {}
    for component in (component for component in born if component in kept):
        groups.setdefault(int(marks[component]), []).append(component)
    large = [members for members in groups.values() if len(members) > 1]
    alone = {members[0] for members in groups.values() if len(members) == 1}
    return _numbered(flow, solved, born, large, alone)


def _born(flow: Flow, solved: Solved) -> dict[int, str]:
    """Give the components that layers make and the layer, in execution order."""
    found: dict[int, str] = {}
    for owner, ids in flow.links.born:
        for component in solved.classes[ids[ids != NONE]]:
            found.setdefault(int(component), owner)
    return found


def _removable(flow: Flow, solved: Solved, born: Mapping[int, str]) -> set[int]:
    read = {
        int(component)
        for reading in flow.readings
        for component in solved.classes[reading.ids[reading.ids != NONE]]
    }
    for component in set(born) - read:
        reason = "is read by no convolution or linear layer"
        solved.frozen.setdefault(component, reason)
    for component, reason in _read_otherwise(flow, solved):
        solved.frozen.setdefault(component, reason)
    for component, reason in _of_no_sample(flow, solved):
        solved.frozen.setdefault(component, reason)
    candidates = set(born) - set(solved.frozen)
    for component in _crowding(flow, solved, candidates):
        solved.frozen[component] = (
            "stands beside channels on two other axes of a tensor or product"
        )
    return candidates - set(solved.frozen)


def _read_otherwise(flow: Flow, solved: Solved) -> Iterator[tuple[int, str]]:
    """Give the components that are read through a weight which reads others elsewhere.

    Gates are told apart by the weight that reads them.
    """
    first: dict[str, Ids] = {}
    for reading in flow.readings:
        mine = solved.classes[reading.ids]
        other = first.setdefault(reading.weight, mine)
        if not np.array_equal(mine, other):
            reason = (
                f"is read through {reading.weight}, which reads other channels in "
                f"another place: transposed, or in parts"
            )
            for component in np.unique(np.concatenate([mine, other])):
                yield int(component), reason


def _of_no_sample(flow: Flow, solved: Solved) -> Iterator[tuple[int, str]]:
    """Give the components that a weight reads where no sample changes them.

    Statistics are derivatives of each sample's own loss in what layers read.
    """
    sampled = {reading.weight for reading in flow.readings if reading.sampled}
    for reading in flow.readings:
        if reading.weight not in sampled:
            reason = f"is read through {reading.weight} alike for all samples"
            for component in np.unique(solved.classes[reading.ids]):
                yield int(component), reason


def _crowding(flow: Flow, solved: Solved, candidates: set[int]) -> Iterator[int]:
    """Give the components on the third and later prunable axes of one object."""
    axes: Counter[object] = Counter()
    every = [(tensor, ids) for (tensor, _), ids in flow.links.axes.items()]
    every += [(id(item), ids) for item in flow.products for ids in item.factors]
    for owner, ids in every:
        here = candidates.intersection(solved.classes[ids].tolist())
        axes[owner] += bool(here)
        if axes[owner] > _MOST_AXES:
            yield from here


def _signatures(flow: Flow, solved: Solved) -> NDArray[np.uint64]:
    """Give a number per component: equal where all counts of entries are equal.

    Every axis has a random 64-bit number; a component's is the sum over its entries.
    """
    arrays = [
        *flow.links.axes.values(),
        *(factor for product in flow.products for factor in product.factors),
        np.flatnonzero(np.isin(solved.classes, list(solved.altered))),
    ]
    draw = np.random.default_rng(0)
    marks = np.zeros(int(solved.classes.max()) + 1, np.uint64)
    for ids in arrays:
        weight = draw.integers(1, 2**63, dtype=np.uint64)
        np.add.at(marks, solved.classes[ids], weight)
    return marks


def _numbered(
    flow: Flow,
    solved: Solved,
    born: Mapping[int, str],
    groups: list[list[int]],
    alone: set[int],
) -> Classes:
    names = _names([born[members[0]] for members in groups])
    number = np.full(len(solved.classes), FIXED)
    ordinal = np.full(int(solved.classes.max()) + 1, FIXED)
    first, sizes = {}, {}
    for name, members in zip(names, groups, strict=True):
        first[name], sizes[name] = sum(sizes.values()), len(members)
        ordinal[members] = np.arange(first[name], first[name] + len(members))
    number = ordinal[solved.classes]
    altered = {
        name: solved.altered[members[0]]
        for name, members in zip(names, groups, strict=True)
        if members[0] in solved.altered
    }
    frozen = dict(_frozen(flow, solved, ordinal, alone))
    return Classes(number, first, sizes, altered, frozen)


def _names(owners: list[str]) -> list[str]:
    """Give each group its layer's name, numbered where a layer has several groups."""
    several, seen, names = Counter(map(spelled, owners)), Counter(), []
    for owner in map(spelled, owners):
        seen[owner] += 1
        names.append(owner if several[owner] == 1 else f"{owner}:{seen[owner]}")
    return names


def _frozen(
    flow: Flow, solved: Solved, ordinal: Ids, alone: set[int]
) -> Iterator[tuple[str, str]]:
    """Give why layers have channels that stay: the reason of the first such channel."""
    for owner, ids in reversed(flow.links.born):
        components = solved.classes[ids]
        stay = components[(ordinal[components] == FIXED) & (ids != NONE)]
        if len(ids) > 1 and (ids == NONE).all():
            yield owner, COMPUTED
        if not len(stay):
            continue
        reason = solved.frozen.get(int(stay[0]))
        if reason is None:
            reason = "has channels that can only go all together"
            where = solved.last.get(int(stay[0]))
            reason += f", tied by {where}" if where else ""
        part = f"{len(stay)} of {len(ids)} channels: " if len(stay) < len(ids) else ""
        yield owner, part + reason
