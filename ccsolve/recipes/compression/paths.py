"""Multi-step compression of a site: which unit goes after which, to the very end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from ccsolve.recipes.compression.components import Components
from ccsolve.recipes.compression.lookahead import scores
from ccsolve.recipes.compression.running import Running
from ccsolve.recipes.compression.sites import Array, Counts, Part, Site


@dataclass(frozen=True)
class Walk:
    """How a site is compressed: see `ccsolve.recipes.cc.plan`."""

    lookahead: str = "fast"
    gamma: float = 0.9
    batch: float = 0.01


@dataclass(frozen=True, eq=False)
class Path:
    """The units of a site in the order in which they went.

    Attributes
    ----------
    site : what was compressed.
    units : (T,) the class, or -1 - place for a component of the layer at that place.
    losses : (T + 1,) Σ ‖g∘(W' - W)‖² of the running weights after 0, 1, ..., T units.
    """

    site: Site
    units: Counts
    losses: Array

    def gone(self, steps: int) -> np.ndarray:
        """Say which classes have gone after some steps, (classes,)."""
        found = np.zeros(self.site.classes, dtype=bool)
        units = self.units[:steps]
        found[units[units >= 0]] = True
        return found

    def lost(self, steps: int) -> list[int]:
        """Give how many components of each layer have gone after some steps."""
        units = self.units[:steps]
        return [int((units == -1 - p).sum()) for p in range(len(self.site.parts))]

    def rates(self) -> Array:
        """Give the share of the site's MACs that has gone, (T + 1,).

        As the paper counts: filters of a layer are all there, and a layer that lost a
        component is a chain, at first a dearer one.
        """
        costs = [
            paper_cost(self.site, self.gone(steps), self.lost(steps))
            for steps in range(len(self.losses))
        ]
        return 1.0 - np.array(costs) / max(self.site.macs, 1e-300)

    def order(self, group: str) -> Counts:
        """Give a group's classes, those first that went first."""
        place = self.site.of(group)
        inside = (self.units >= place.start) & (self.units < place.stop)
        went = self.units[inside] - place.start
        stayed = np.setdiff1d(np.arange(self.site.sizes[group]), went)
        return np.concatenate([went, stayed])


def paper_cost(site: Site, gone: np.ndarray, lost: list[int]) -> float:
    """Give the MACs of the site's layers by formula (CC-4)."""
    return sum(
        part.macs * _entries(part, int(part.columns(gone).sum()), less)
        for part, less in zip(site.parts, lost, strict=True)
    )


def _entries(part: Part, columns: int, lost: int) -> int:
    n = len(part.weight)
    if not lost:
        return n * columns
    return min(part.components - lost, n, columns) * (columns + n)


def compressed(site: Site, floors: Mapping[str, int], walk: Walk) -> Path:
    """Remove the units of least score, again and again, until none may go.

    In every step a hundredth (`batch`) of the site's units goes, at least one; all
    layers keep one component, every group as many classes as `floors` says. Of the
    units of one step components go first. Each step decomposes every layer once, with
    the exact look-ahead once more for every channel that is left: O(units/batch) and
    O(units²/batch) decompositions.
    """
    state = Running.start(site)
    batch = max(1, int(walk.batch * site.units))
    units: list[int] = []
    losses = [0.0]
    while chosen := _chosen(state, floors, walk, batch):
        for unit, lose in chosen:
            lose()
            units.append(unit)
            losses.append(state.loss)
    return Path(site, np.array(units, dtype=np.int64), np.array(losses))


def _chosen(
    state: Running, floors: Mapping[str, int], walk: Walk, batch: int
) -> list[tuple[int, Callable[[], None]]]:
    """Give the units that go next, and how, components first."""
    components = state.components()
    found = scores(state, components, walk.gamma, walk.lookahead)
    room = _Room.of(state, floors)
    units = [
        *((score, unit, 0) for unit, score in enumerate(found.classes.tolist())),
        *(
            (score, -1 - place, k)
            for place, part in enumerate(found.components)
            for k, score in enumerate(part.tolist())
        ),
    ]
    chosen = []
    for score, unit, k in sorted(units):
        if len(chosen) == batch or score == np.inf:
            break
        if room.take(unit):
            chosen.append((unit, k))
    chosen.sort(key=lambda item: item[0] >= 0)
    return [(unit, _losing(state, components, unit, k)) for unit, k in chosen]


def _losing(
    state: Running, components: list[Components], unit: int, k: int
) -> Callable[[], None]:
    if unit >= 0:
        return partial(state.lose_class, unit)
    place = -1 - unit
    return partial(state.lose_component, place, components[place], k)


@dataclass(eq=False)
class _Room:
    """How many more units of each kind may go."""

    of_groups: dict[str, int]
    of_layers: list[int]
    site: Site

    @classmethod
    def of(cls, state: Running, floors: Mapping[str, int]) -> "_Room":
        site = state.site
        of_groups = {
            name: int((~state.gone[site.of(name)]).sum()) - floors[name]
            for name in site.sizes
        }
        return cls(of_groups, [left - 1 for left in state.left], site)

    def take(self, unit: int) -> bool:
        """Take one unit if one may go."""
        if unit < 0:
            self.of_layers[-1 - unit] -= 1
            return self.of_layers[-1 - unit] >= 0
        name = next(
            name
            for name in self.site.sizes
            if self.site.of(name).start <= unit < self.site.of(name).stop
        )
        self.of_groups[name] -= 1
        return self.of_groups[name] >= 0
