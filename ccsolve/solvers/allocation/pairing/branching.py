"""Pairs that close cycles: layers decided one by one until a forest is left."""

import heapq
import math
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np

from ccsolve.solvers.allocation.pairing.ascent import maximise
from ccsolve.solvers.allocation.pairing.closing import Closing
from ccsolve.solvers.allocation.pairing.forest import cut_layers
from ccsolve.solvers.allocation.pairing.improvement import Improver, improver_of
from ccsolve.solvers.allocation.pairing.incumbent import Incumbent
from ccsolve.solvers.allocation.pairing.pricing import Priced
from ccsolve.solvers.allocation.pairing.program import PairProgram, restricted
from ccsolve.solvers.allocation.pairing.relaxation import Relaxation, relaxation_of

_LOOKS = 40
"""Prices tried by local search before the first bound."""

_KICKS = 16
"""Kicks of the best point, each followed by local search."""

_IMPROVED = 6
"""Points of the first ascent, the last ones, that are improved."""

_PASSES = 8
"""Passes over the pairs between two looks at what they brought."""

_ROUNDS = 8
"""Looks at a node, at most; the root, which all others profit from, has ten times."""

_LITTLE = 0.02
"""A round that closes less than this of a node's gap is the last."""

_MOST_HELD = 30_000_000
"""Numbers in the tables of open nodes; with more the search ends."""


@dataclass(frozen=True, eq=False)
class _Node:
    """Options of a relaxed program that were not ruled out; the rest is decided."""

    relaxation: Relaxation
    alive: np.ndarray


@dataclass
class Branching:
    """A program with cycles whose least loss is enclosed from both sides.

    A node's options are cut by the relaxation's bounds at fixed prices. If cycles
    remain, a layer on them is decided: one child per option left. A forest is closed by
    `Closing`. Nodes are taken by rising bound.

    Attributes
    ----------
    bound : proven for all points below the incumbent's loss; inf once there are none.
    prices : (B,) those of the bound.
    room : as in `Closing`.
    """

    program: PairProgram
    incumbent: Incumbent
    prices: np.ndarray
    room: int
    seed: int
    bound: float = -math.inf
    open: list[tuple[float, int, _Node]] = field(default_factory=list)
    unclosed: float = math.inf
    nodes: int = 0
    opened: int = 0

    @property
    def shadow(self) -> np.ndarray:
        """What a unit of budget is worth, (B,): the prices of the bound."""
        return self.prices

    @property
    def closed(self) -> bool:
        """Whether no point is left below the incumbent's loss."""
        return self.bound >= self.incumbent.target(self.program)

    def run(self) -> Generator[None, None, None]:
        """Work until every node is closed, or as far as room and memory allow."""
        improver = improver_of(self.program, 0.5 * self.incumbent.problem.resolution)
        yield from self._estimated(improver)
        yield from self._kicked(improver)
        everything = np.ones(len(self.program.losses), dtype=bool)
        yield from self._taken(relaxation_of(self.program), everything, -math.inf)
        while self.open and not self.closed and self._held() <= _MOST_HELD:
            bound, _, node = heapq.heappop(self.open)
            if bound < self.incumbent.target(self.program):
                yield from self._taken(node.relaxation, node.alive, bound)
            self._settle()
            yield
        self._settle()

    def _held(self) -> int:
        held = {id(node.relaxation): node.relaxation.program for *_, node in self.open}
        each = 1 + len(self.program.limits)
        return sum(program.entries * each for program in held.values())

    def _settle(self, current: float = math.inf) -> None:
        """Let the bound be the least of what is open, unclosed, or being worked on."""
        least = self.open[0][0] if self.open else math.inf
        least = min(least, self.unclosed, current)
        self.bound = max(self.bound, min(least, self.incumbent.target(self.program)))

    def _estimated(self, improver: Improver) -> Generator[None, None, None]:
        """Find prices and a point by an ascent on what local search finds.

        Local search in place of the exact minimum: its points' cuts are true, and the
        best prices of their least are taken; only the bound is left to the relaxation.
        """
        program, cuts = self.program, []
        x = np.array([np.argmin(part) for part in self.incumbent.problem.losses])

        def found_at(prices: np.ndarray) -> Priced:
            nonlocal x
            x = improver.settled(x, prices)
            loss, spent = program.at(x)
            value = loss + float(prices @ (spent - program.limits))
            return Priced(prices, value, x, loss, spent)

        for found in maximise(program, found_at, self.prices, _LOOKS):
            cuts.append(found)
            yield
        self.prices = _highest(cuts, program.limits)
        for found in cuts[-_IMPROVED:]:
            self._offer(improver, improver.improved(found.x, self.prices))
            yield

    def _offer(self, improver: Improver, x: np.ndarray | None) -> None:
        if x is not None:
            self.incumbent.offer(improver.program.original(x))

    def _kicked(self, improver: Improver) -> Generator[None, None, None]:
        """Kick the best point at random, and keep what local search makes better."""
        rng = np.random.default_rng(self.seed)
        for _ in range(_KICKS):
            if self.incumbent.x is None:
                return
            x = improver.kicked(self.incumbent.x, self.prices, rng)
            self._offer(improver, x)
            yield

    def _taken(
        self, parent: Relaxation, alive: np.ndarray, bound: float
    ) -> Generator[None, None, None]:
        """Bound a node, rule options out, and close it or decide a layer of it."""
        relaxation, rounds = _part(parent, alive), _ROUNDS if self.nodes else 80
        self.nodes += 1
        for _ in range(rounds):
            program = relaxation.program
            if not cut_layers(program):
                yield from self._forest(program, bound)
                return
            found = relaxation.bounded(self.prices, _PASSES)
            before, bound = bound, max(bound, found.bound)
            self._settle(bound)
            yield
            improver = improver_of(program, 0.5 * self.incumbent.problem.resolution)
            self._offer(improver, improver.improved(found.x, self.prices))
            target = self.incumbent.target(self.program)
            if bound >= target:
                return
            possible = found.least_with <= target
            if not _each_layer(possible, program):
                return
            relaxation = _part(relaxation, possible)
            yield
            little = bound - before < _LITTLE * (target - bound)
            if little and relaxation.program.entries > 0.9 * program.entries:
                break
        self._decide(relaxation, bound)

    def _forest(
        self, program: PairProgram, bound: float
    ) -> Generator[None, None, None]:
        closing = Closing(program, self.incumbent, self.prices, self.room)
        for _ in closing.run():
            self._settle(max(bound, closing.bound))
            yield
        if not closing.closed:
            self.unclosed = min(self.unclosed, max(bound, closing.bound))

    def _decide(self, relaxation: Relaxation, bound: float) -> None:
        """Open a node for each option of a layer that cycles go through."""
        program, target = relaxation.program, self.incumbent.target(self.program)
        least = relaxation.bounded(self.prices, 1).least_with
        layer = cut_layers(program)[0]
        own = slice(program.offsets[layer], program.offsets[layer + 1])
        for option in range(own.start, own.stop):
            if least[option] <= target:
                alive = np.ones(len(least), dtype=bool)
                alive[own] = False
                alive[option] = True
                node = _Node(relaxation, alive)
                self.opened += 1
                entry = (max(bound, float(least[option])), self.opened, node)
                heapq.heappush(self.open, entry)


def _part(relaxation: Relaxation, alive: np.ndarray) -> Relaxation:
    if alive.all():
        return relaxation
    return relaxation.carried_to(restricted(relaxation.program, alive), alive)


def _each_layer(possible: np.ndarray, program: PairProgram) -> bool:
    return bool(np.logical_or.reduceat(possible, program.offsets[:-1]).all())


def _highest(cuts: list[Priced], limits: np.ndarray) -> np.ndarray:
    """Give those of the prices tried at which the least of the cuts is highest."""
    losses = np.array([cut.loss for cut in cuts])
    excess = np.array([cut.spent - limits for cut in cuts])
    least = [float((losses + excess @ cut.prices).min()) for cut in cuts]
    return cuts[int(np.argmax(least))].prices
