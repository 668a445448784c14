"""From descents over V to proven bounds: when to prove, and how the cuts move."""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Limits
from ccsolve.linalg.unit_rows import onto_manifold
from ccsolve.solvers.selection.relaxing.lattice import Lattice
from ccsolve.solvers.selection.relaxing.low_rank_budget import fall_per_unit
from ccsolve.solvers.selection.relaxing.low_rank_certificate import proven_bound
from ccsolve.solvers.selection.relaxing.low_rank_cuts import (
    Penalties,
    lagrangian,
    moved,
    no_cuts,
    strengthened,
    zero_cuts,
)
from ccsolve.solvers.selection.relaxing.low_rank_descent import Iterate, descend
from ccsolve.solvers.selection.relaxing.low_rank_program import LowRankProgram

PROOF_SECONDS = 8e-11
"""Seconds per n³ of a certificate, measured on a core."""

INNER, POLISH, FEWEST = 40, 80, 5
"""Steps between two moves of the cuts' multipliers, least ones before a proof of them,
and those before a proof when the time runs out."""

BEFORE_CUTS = 1e-3
"""Relative gap at which a relaxation without cuts is solved well enough for them."""

FALLING = 1e-3
"""Relative fall of the value from proof to proof that is progress, too."""

CANCELLED = 1e-4
"""Part of the variable part of a value at which it is small only by cancellation."""

STALE = 5
"""Proofs in a row that bring nothing, after which to end."""

NARROW = 2
"""Proofs in a row that bring nothing, after which more columns may."""

SHAKE = 0.02
"""Length of the random vectors that lead out of faces of too low a rank; the longer,
the more steps are lost on programs that converge slowly."""

PERSISTENT = 0.9
"""Part of a violation that may be left by a move before its weight grows."""

ROUNDS = 400
"""Moves of the multipliers; the limits and the lack of progress end it long before."""


class Proof(NamedTuple):
    """A proven bound, and the point U whose multipliers prove it.

    Attributes
    ----------
    bound : raised to a value that the objective can take.
    dual, value : as proven, and the Lagrangian's value at U; no such bound exceeds it.
    price : of the budget.
    is_primal : whether the value is that of the relaxation at a feasible X.
    """

    bound: float
    dual: float
    value: float
    price: float
    is_primal: bool
    U: np.ndarray


Proofs = Generator[Proof | None, None, Iterate]
"""Steps of a descent, None or a proof; it gives its last iterate."""


@dataclass(frozen=True, eq=False)
class Ascent:
    """What a run of the relaxation stays with; ``interval`` steps between proofs."""

    program: LowRankProgram
    limits: Limits
    lattice: Lattice
    tolerance: float
    rng: np.random.Generator
    interval: int

    def prove(self, penalties: Penalties, iterate: Iterate) -> Proof:
        """Prove the bound of an iterate's multipliers; O(n³)."""
        program = self.program
        bound = proven_bound(
            program, penalties, iterate.multipliers.rows, iterate.value
        )
        x = 0.5 * (1.0 + iterate.U[:, 0])
        price = 0.0
        if penalties.prices is not None:
            price = fall_per_unit(penalties.prices, x) * program.scale / program.unit
        return Proof(
            bound=self.lattice.raised(bound),
            dual=bound,
            value=program.constant + program.scale * iterate.value,
            price=price,
            is_primal=penalties.are_none and program.limit == math.inf,
            U=iterate.U,
        )

    def is_closed(self, proof: Proof, tolerance: float) -> bool:
        """Whether more of the same can bring nothing that counts."""
        varying = abs(proof.value - self.program.constant)
        size = max(abs(proof.value), CANCELLED * varying)
        if proof.value - proof.dual <= tolerance * size:
            return True
        return proof.bound >= self.lattice.raised(proof.value)

    @property
    def proof_time(self) -> float:
        """Seconds that a proof takes."""
        return PROOF_SECONDS * self.program.n**3

    def is_affordable(self) -> bool:
        """Whether the time left allows a certificate, which nothing can interrupt."""
        return self.proof_time <= self.limits.remaining()

    def is_last_chance(self) -> bool:
        """Whether it will soon be too late for a certificate."""
        return self.limits.remaining() <= 2.0 * self.proof_time

    def shaken(self, U: np.ndarray) -> np.ndarray:
        """Give U moved at random: zero columns would stay zero for ever."""
        noise = self.rng.standard_normal(U.shape) * (SHAKE / math.sqrt(U.shape[1]))
        near = onto_manifold(U + noise, self.program.total)
        return U if near is None else near

    def descent(self, penalties: Penalties, U: np.ndarray) -> Iterator[Iterate]:
        """Give the descent of a Lagrangian from U."""
        program = self.program
        objective = partial(lagrangian, program, penalties)
        return descend(objective, U, program.total, program.diagonal)


def proofs(ascent: Ascent, U: np.ndarray, nonnegative: bool) -> Iterator[Proof | None]:
    """Solve the plain relaxation, then raise its bound by the cuts there are."""
    cuts = zero_cuts(ascent.program, nonnegative)
    coarse = 0.0 if cuts.are_none else BEFORE_CUTS
    progress = _Progress(max(ascent.tolerance, coarse))
    iterate = yield from _settled(ascent, U, progress)
    if not cuts.are_none:
        # Programs that were slow to settle need more steps for a proof here too.
        polish = max(POLISH, progress.proofs * ascent.interval // 2)
        progress = _Progress(ascent.tolerance, progress.bound)
        yield from _with_cuts(ascent, cuts, iterate.U, progress, polish)


def _settled(ascent: Ascent, U: np.ndarray, progress: "_Progress") -> Proofs:
    """Descend until value and bound meet, with a proof every so many steps."""
    descent, value = ascent.descent(no_cuts(), U), math.inf
    iterate = next(descent)
    while True:
        calmest = yield from _taken(ascent, descent, ascent.interval)
        iterate = calmest or iterate
        proof = ascent.prove(no_cuts(), iterate) if ascent.is_affordable() else None
        yield proof
        if proof is not None and ascent.is_closed(proof, progress.tolerance):
            return iterate
        falls = iterate.value < value - FALLING * abs(iterate.value)
        if progress.has_ended(proof) and ascent.is_affordable() and not falls:
            return iterate
        value = iterate.value
        if calmest is None:
            descent = ascent.descent(no_cuts(), ascent.shaken(iterate.U))


def _with_cuts(
    ascent: Ascent,
    cuts: Penalties,
    U: np.ndarray,
    progress: "_Progress",
    polish: int,
) -> Iterator[Proof | None]:
    """Move the cuts' multipliers and prove a bound of them from time to time."""
    every, violation = max(1, 2 * ascent.interval // INNER), math.inf
    for count in range(1, ROUNDS):
        inner = INNER * (2 + progress.stale) // 2
        U = (yield from _lowered(ascent, cuts, U, inner)).U
        before = violation
        cuts, violation = moved(ascent.program, cuts, U)
        yield None
        if violation > PERSISTENT * before:
            cuts = strengthened(cuts)
        if count % every and not ascent.is_last_chance():
            continue
        steps = polish * (1 + progress.stale)
        polished = yield from _lowered(ascent, cuts.held(), U, steps)
        if not ascent.is_affordable():
            continue
        proof = ascent.prove(cuts.held(), polished)
        yield proof
        if progress.has_ended(proof):
            return
        if progress.stale == NARROW and U.shape[1] <= ascent.program.n:
            U, progress.stale = _widened(U, ascent.program.n + 1), 0


def _widened(U: np.ndarray, most: int) -> np.ndarray:
    """Give U with half as many columns again, zero ones; cuts raise the rank of X."""
    more = min(U.shape[1] // 2, most - U.shape[1])
    return np.hstack((U, np.zeros((U.shape[0], more))))


def _lowered(ascent: Ascent, penalties: Penalties, U: np.ndarray, steps: int) -> Proofs:
    """Shake U and descend from it for a number of steps."""
    descent = ascent.descent(penalties, ascent.shaken(U))
    iterate = next(descent)
    calmest = yield from _taken(ascent, descent, steps)
    return calmest or iterate


def _taken(
    ascent: Ascent, descent: Iterator[Iterate], steps: int
) -> Generator[None, None, Iterate | None]:
    """Give the calmest of the next iterates, fewer where time runs out; None: no more.

    Of the later half the one with the least gradient, which proves the best bound.
    """
    calmest = None
    for count, iterate in enumerate(descent, 1):
        if calmest is None or 2 * count <= steps:
            calmest = iterate
        elif iterate.steepness <= calmest.steepness:
            calmest = iterate
        yield None
        if count >= steps or (count >= FEWEST and ascent.is_last_chance()):
            break
    return calmest


@dataclass
class _Progress:
    """The best bound so far, and how many proofs in a row brought too little."""

    tolerance: float
    bound: float = -math.inf
    stale: int = 0
    proofs: int = 0

    def has_ended(self, proof: Proof | None) -> bool:
        """Take a proof (None: a descent that ended) and say whether to go on."""
        self.stale += 1
        self.proofs += 1
        if proof is not None:
            size = self.tolerance * max(abs(proof.value), abs(proof.dual))
            if proof.dual > self.bound + size:
                self.stale = 0
            self.bound = max(self.bound, proof.dual)
        return self.stale >= STALE
