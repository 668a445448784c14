"""The gap of a forest closed: prices, points, corridors, lists."""

import itertools
import math
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np

from ccsolve.linalg.rounding import gamma
from ccsolve.solvers.allocation.pairing.ascent import maximise
from ccsolve.solvers.allocation.pairing.forest import tree_of
from ccsolve.solvers.allocation.pairing.improvement import improver_of
from ccsolve.solvers.allocation.pairing.incumbent import Incumbent
from ccsolve.solvers.allocation.pairing.list_search import ListSearch
from ccsolve.solvers.allocation.pairing.outlook import cutoffs_of, outlook
from ccsolve.solvers.allocation.pairing.pricing import Priced, evaluate
from ccsolve.solvers.allocation.pairing.program import PairProgram, restricted

LARGE = 200_000
"""Entries above which a program is first thinned, then cut after few evaluations."""

EVALUATIONS = 80
"""Prices tried in one ascent, at most."""

_LOOKS = 3
"""Evaluations of a large program between two cuts."""

_IMPROVED = 5
"""Points of an ascent, the last ones, that are improved."""

_THINNED = 24
"""Options left per layer of a thinned program, about."""

_NARROWEST = 1.0 / 16.0
"""The first corridor, as part of the gap; each next one is twice as wide."""

_LEAST_ROOM = 10_000


@dataclass
class Closing:
    """A forest whose least loss is enclosed from both sides.

    Attributes
    ----------
    program : what is left: every point below the incumbent's loss is in it.
    bound : proven for all points below the incumbent's loss; inf once there are none.
    prices : (B,) those of the last ascent.
    shadow : (B,) those of the best bound of the program as it was given: what a unit of
        budget is worth. Of what options are left later it says nothing.
    passed : points of the problem that the last ascent came by.
    room : sums looked at per option and pair in a list search, at most.
    """

    program: PairProgram
    incumbent: Incumbent
    prices: np.ndarray
    room: int
    bound: float = -math.inf
    passed: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Remember the program before options are ruled out."""
        self.given, self.shadow = self.program, self.prices

    @property
    def closed(self) -> bool:
        """Whether no point is left below the incumbent's loss."""
        return self.bound >= self.incumbent.target(self.program)

    def run(self) -> Generator[None, None, None]:
        """Work until the gap is closed or the lists outgrow their room."""
        if self.program.entries > LARGE:
            yield from self._thinned_prices()
        yield from self._narrowed()
        room = min(_LEAST_ROOM, self.room)
        while not self.closed:
            found, proven = self.incumbent.objective, self.bound
            yield from self._corridors(room)
            if self.incumbent.objective < found:
                yield from self._narrowed()
            elif room < self.room:
                room = min(8 * room, self.room)
            elif self.bound <= proven:
                return

    def _thinned_prices(self) -> Generator[None, None, None]:
        """Take prices and a point from a program of fewer options per layer."""
        thin = restricted(self.program, _evenly(self.program))
        best = yield from self._ascent(thin, EVALUATIONS)
        self.prices = best.prices
        yield from self._improved(thin)

    def _narrowed(self) -> Generator[None, None, None]:
        """Ascend, improve and rule options out until that makes little difference.

        A large program is only looked at first: what a cut leaves is cheaper to price.
        """
        most = _LOOKS if self.program.entries > LARGE else EVALUATIONS
        while not self.closed:
            best = yield from self._ascent(self.program, most)
            if best.bound > self.bound:
                self.bound, self.prices = best.bound, best.prices
                if self.program is self.given:
                    self.shadow = best.prices
            yield from self._improved(self.program)
            before = self.program.entries
            self._rule_out()
            yield
            if self.program.entries > 0.7 * before:
                if most == EVALUATIONS:
                    return
                most = EVALUATIONS

    def _ascent(self, program: PairProgram, most: int) -> Generator[None, None, Priced]:
        """Maximise the dual of a program; keep the points that it passes."""
        tree = tree_of(program)

        def found_at(prices: np.ndarray) -> Priced:
            return evaluate(program, tree, prices)

        ascent = maximise(program, found_at, self.prices, most)
        while True:
            try:
                found = next(ascent)
            except StopIteration as end:
                return end.value
            self.passed.append(found.x)
            yield

    def _improved(self, program: PairProgram) -> Generator[None, None, None]:
        """Offer what repair and local search make of the points last passed."""
        least_gain = 0.5 * self.incumbent.problem.resolution
        improver = improver_of(program, least_gain)
        for start in self.passed[-_IMPROVED:]:
            x = improver.improved(start, self.prices)
            if x is not None:
                self.incumbent.offer(program.original(x))
            yield
        self.passed.clear()

    def _rule_out(self) -> None:
        """Drop the options that no point below the incumbent takes."""
        target = self.incumbent.target(self.program)
        part = self._within(target)
        if part is None:
            self.bound = target
        else:
            self.program = part

    def _within(self, target: float) -> PairProgram | None:
        """Give what points of at most that loss may take; None if there are none."""
        program = self.program
        large = program.entries > LARGE
        tests = cutoffs_of(program, self.prices, target, many=not large)
        possible = outlook(program, tree_of(program), tests).possible()
        if not np.logical_or.reduceat(possible, program.offsets[:-1]).all():
            return None
        return program if possible.all() else restricted(program, possible)

    def _corridors(self, room: int) -> Generator[None, None, None]:
        """Search losses up to a target that rises from the bound to the incumbent."""
        low, width = self.bound, _NARROWEST
        while not self.closed:
            high = self.incumbent.target(self.program)
            target = high if width >= 1 else low + width * (high - low)
            part = self._within(target)
            if part is None:
                self.bound = max(self.bound, target)
            elif not (yield from self._searched(part, target, room)):
                return
            width *= 2.0
            yield

    def _searched(
        self, part: PairProgram, target: float, room: int
    ) -> Generator[None, None, bool]:
        """Search a corridor; say whether nothing was in it."""
        tree = tree_of(part)
        view = outlook(part, tree, cutoffs_of(part, self.prices, target))
        search = ListSearch(part, tree, view, room)
        for _ in search.run():
            yield
        if search.x is not None:
            self.incumbent.offer(part.original(search.x))
        least = _least_of(search)
        if search.complete:
            self.bound = max(self.bound, min(target, least))
        return search.complete and least > target


def _least_of(search: ListSearch) -> float:
    """Give a proven floor of the losses that a complete search has covered.

    The tests let some points above the target pass, so that one may be found there.
    """
    if search.x is None:
        return math.inf
    part = search.program
    rounding = gamma(part.layers + len(part.edges)) * part.largest[0]
    return part.at(search.x)[0] - rounding


def _evenly(program: PairProgram) -> np.ndarray:
    """Pick options of each layer: evenly by place, the best, and the cheapest ones."""
    alive = np.zeros(len(program.losses), dtype=bool)
    for first, last in itertools.pairwise(program.offsets.tolist()):
        step = max(1, (last - first) // _THINNED)
        alive[first:last:step] = True
        alive[last - 1] = True
        alive[first + int(np.argmin(program.losses[first:last]))] = True
        alive[first + np.argmin(program.costs[first:last], axis=0)] = True
    return alive
