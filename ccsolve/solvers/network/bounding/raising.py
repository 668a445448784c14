"""The bound of a separable function over all widths, and how it is raised."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ccsolve.iterate import Limits
from ccsolve.linalg.exact_sums import sum_down
from ccsolve.problems import NetworkSelection
from ccsolve.problems.option_tables import MOST_BUDGETS
from ccsolve.solvers.network.bounding.coupling import Coupling, coupling_of
from ccsolve.solvers.network.bounding.sections import (
    Section,
    linear_section_of,
    section_of,
)
from ccsolve.solvers.network.bounding.separable import Separable
from ccsolve.solvers.network.bounding.spheres import Spheres

CLOSE, HASTY = (400, 1e-9), (20, 1e-6)
"""Steps and gap of an allocation; the hasty one is of a tangent that will move on."""

PROMPT = 100
"""Channels up to which a section is had at once: a few hundredths of a second."""

LARGE = 512
"""Channels of a section from which branch and bound has fewer steps, as 1/n²."""

SUPPORT_STEPS, PROOF_STEPS, TRIALS = 2_000, 60, 4
"""Steps of a supporting line, and of a first proof; each next has four times as many,
up to that many trials at a width."""


@dataclass(frozen=True)
class Found:
    """What one look at the widths gave.

    Attributes
    ----------
    places : (G,) of the widths on their ladders.
    point : (n,) bool, the best channels known at them; it may break budgets left out.
    """

    bound: float
    places: np.ndarray
    point: np.ndarray
    prices: np.ndarray


@dataclass
class Raising:
    """Sections of all groups, and the budgets that couple them so far.

    Attributes
    ----------
    care : steps and gap of the allocations.
    spheres : by group the spectrum of its free channels' block, kept between functions
        that differ in their linear part alone.
    hasty : groups whose section is not finished.
    touched : groups and places at which a line has supported the section.
    """

    problem: NetworkSelection
    limits: Limits
    care: tuple[int, float] = CLOSE
    coupling: Coupling = field(init=False)
    sections: list[Section] = field(init=False, default_factory=list)
    constant: float = field(init=False, default=0.0)
    spheres: dict[int, Spheres] = field(init=False, default_factory=dict)
    hasty: set[int] = field(init=False, default_factory=set)
    touched: set[tuple[int, int]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        """Begin with the first budgets."""
        count = min(len(self.problem.budgets), _begun(self.problem))
        self.coupling = coupling_of(self.problem, range(count))

    def begin(
        self, function: Separable, *, keep_spectra: bool = True
    ) -> Iterator[None]:
        """Take a separable function in hand: sections of every group, one at a time.

        The spectra are kept where it has the blocks of the function before it.
        """
        if not keep_spectra:
            self.spheres = {}
        self.constant, self.sections = function.constant, []
        self.hasty, self.touched = set(), set()
        for g in range(self.problem.count):
            self.sections.append(self._section(g, function))
            if function.blocks[g] is not None:
                yield from _worked(self.sections[g])

    def _section(self, g: int, function: Separable) -> Section:
        problem, own = self.problem, self.problem.members[g]
        fixed = np.full(len(own), -1) if problem.fixed is None else problem.fixed[own]
        block, linear = function.blocks[g], function.linear[own]
        if block is None:
            return linear_section_of(linear, fixed, problem.widths[g])
        hasty = int((fixed == -1).sum()) > PROMPT
        if hasty:
            self.hasty.add(g)
        return section_of(
            block, linear, fixed, problem.widths[g], self.spheres, g, hasty=hasty
        )

    def finished(self, found: Found) -> Iterator[None]:
        """Finish the hasty sections, where the gap is widest at the widths first."""
        gaps = self.gaps(found)
        for g in sorted(self.hasty, key=lambda g: -gaps[g]):
            self.sections[g].finish(self.spheres[g], g)
            self.hasty.discard(g)
            yield from _worked(self.sections[g])

    def offer(self, z: np.ndarray | None) -> None:
        """Take a point's groups where they are the best known of their widths."""
        for own, section in zip(self.problem.members, self.sections, strict=True):
            if z is not None:
                section.offer(z[own][section.free])

    def lowest(self) -> Found:
        """Give the bound by the sections' bounds, and the widths that attain it."""
        return self._look([section.lower for section in self.sections], least=True)

    def nearest(self) -> Found:
        """Give the widths that are best by the sections' points; no bound of anything.

        Budgets that its point breaks are added, as long as there is room for them.
        """
        while True:
            losses = [section.upper for section in self.sections]
            found = self._look(losses, least=False)
            if not self._add_broken(found.point):
                return found

    def _look(self, losses: list[np.ndarray], *, least: bool) -> Found:
        left, (steps, gap) = self.limits.remaining(), self.care
        limits = Limits(time_limit=left, step_limit=steps, gap=gap)
        solution = self.coupling.solved(losses, limits, least=least)
        if solution.x is None:
            places = np.zeros(self.problem.count, dtype=np.int64)
        else:
            places = self.coupling.places(solution.x, losses, least=least)
        bound = sum_down([solution.bound, self.constant]) if least else -math.inf
        prices = self.coupling.prices(solution)
        return Found(bound, places, self._point(places), prices)

    def _point(self, places: np.ndarray) -> np.ndarray:
        z = np.zeros(self.problem.n, dtype=bool)
        for own, section, place in zip(
            self.problem.members, self.sections, places, strict=True
        ):
            z[own] = section.mask(int(place), len(own))
        return z

    def _add_broken(self, z: np.ndarray) -> bool:
        """Add the budget that a point breaks most; say whether there was one."""
        active = self.coupling.active
        over = self.problem.spent(z) - self.problem.limits
        over /= np.maximum(np.abs(self.problem.limits), 1e-300)
        over[list(active)] = 0.0
        if not len(over) or over.max() <= 0 or len(active) == MOST_BUDGETS:
            return False
        self.coupling = coupling_of(self.problem, (*active, int(over.argmax())))
        return True

    def proven(self, found: Found, share: float, seed: int) -> Iterator[None]:
        """Prove more about the widths found: where a section's gap is widest.

        Groups whose gap is within ``share`` of the widest are tried, one at a time.
        """
        gaps = self.gaps(found)
        widest = float(gaps.max(initial=0.0))
        for g in np.argsort(-gaps, kind="stable"):
            if gaps[g] <= 0 or gaps[g] < share * widest:
                return
            section, place = self.sections[g], int(found.places[g])
            steps = _fewer(PROOF_STEPS * 4 ** int(section.attempts[place]), section)
            left = self.limits.remaining()
            limits = Limits(
                time_limit=left, step_limit=steps, gap=1e-7, resolution=section.error
            )
            section.prove(place, limits, seed)
            yield

    def supported(self, found: Found, share: float, seed: int) -> Iterator[None]:
        """Support sections by lines that touch them at the widths found.

        At each of a group's widths once: what has a line counts no more. Sections whose
        line may rise most come first, those within ``share`` of the most.
        """
        costs = self.slopes(found.places, found.prices)
        slopes = [
            section.slope_at(place, slope)
            for section, place, slope in zip(
                self.sections, found.places, costs, strict=True
            )
        ]
        gaps = np.array(
            [
                0.0 if (g, place) in self.touched else section.supported_gap(slope)
                for g, (section, place, slope) in enumerate(
                    zip(self.sections, found.places, slopes, strict=True)
                )
            ]
        )
        widest = float(gaps.max(initial=0.0))
        for g in np.argsort(-gaps, kind="stable"):
            section = self.sections[g]
            if gaps[g] <= max(8.0 * section.error, share * widest):
                continue
            self.touched.add((int(g), int(found.places[g])))
            limits = Limits(
                time_limit=self.limits.remaining(),
                step_limit=_fewer(SUPPORT_STEPS, section),
                gap=1e-7,
                resolution=section.error,
            )
            section.support(slopes[g], limits, seed)
            yield

    def slopes(self, places: np.ndarray, prices: np.ndarray) -> np.ndarray:
        """Give the price of a channel of each group at the widths found, (G,)."""
        ladders = self.problem.widths
        k = np.array([w[p] for w, p in zip(ladders, places, strict=True)])
        slopes = np.zeros(len(k))
        priced = np.flatnonzero(prices)
        for g, place in enumerate(places):
            low = int(ladders[g][max(place - 1, 0)])
            high = int(ladders[g][min(place + 1, len(ladders[g]) - 1)])
            for t in priced if high > low else ():
                budget, ends = self.problem.budgets[t], [k.copy(), k.copy()]
                ends[0][g], ends[1][g] = low, high
                rise = budget.at(ends[1]) - budget.at(ends[0])
                slopes[g] += prices[t] * rise / (high - low)
        return slopes

    def gaps(self, found: Found) -> np.ndarray:
        """Give what each section's bound may still rise at the widths found, (G,).

        0 where it is closed up to rounding, or proofs were tried often enough.
        """
        gaps = np.zeros(self.problem.count)
        for g, (section, place) in enumerate(
            zip(self.sections, found.places, strict=True)
        ):
            gap = float(section.upper[place] - section.lower[place])
            size = abs(float(section.upper[place] - section.constant))
            tired = section.attempts[place] >= TRIALS
            rounding = 8.0 * section.error + 2e-7 * size
            gaps[g] = 0.0 if tired or gap <= rounding else gap
        return gaps


def _worked(section: Section) -> Iterator[None]:
    """Yield the more often the larger a section, so that a search has its share."""
    for _ in range((len(section.q) // PROMPT) ** 2):
        yield


def _fewer(steps: int, section: Section) -> int:
    """Give the steps of a branch and bound: of large sections each takes O(n²)."""
    return max(20, int(steps * min(1.0, (LARGE / max(len(section.q), 1)) ** 2)))


def _begun(problem: NetworkSelection) -> int:
    """Give how many budgets to begin with: all, or one where there are too many."""
    return len(problem.budgets) if len(problem.budgets) <= MOST_BUDGETS else 1
