"""The semidefinite dual of a program, raised until it is settled."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from ccsolve.iterate import Limits
from ccsolve.solvers.selection.relaxing.admm import Ascent, Settings, ascend
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram

DENSE_CHANNELS = 500
"""Largest n for an eigen-decomposition in every step: 25 ms there, growing as n³."""

STEP_SECONDS = 4e-10
"""Seconds per n³ that the first steps and certificates take, on one core."""

SETTLED = 1e-9
"""Residual below which rounding is what is left."""

CREDIBLE = 1e-3
"""Residual below which the value at X says something about the relaxation's."""

LEAST_RISE, STALE = 0.02, 30
"""Part of what the bound lacks by which it must rise within that many checks."""

PRODUCTS = Settings(nonnegative=False)
"""The relaxation of `sdp`: the products of the constraints, and no other cuts."""


def affordable(program: LiftedProgram, limits: Limits) -> bool:
    """Say whether size and time left allow a first step and its certificate."""
    small = program.n <= DENSE_CHANNELS
    return small and STEP_SECONDS * program.n**3 <= limits.remaining()


def settled(
    program: LiftedProgram,
    limits: Limits,
    tolerance: float,
    warm: Ascent | None = None,
    stale: int = STALE,
) -> Iterator[Ascent | None]:
    """Give the checks of an ascent, None for the steps between them.

    It ends where value and bound are within the relative tolerance, where the last
    ``stale`` checks brought next to nothing, or where the time does. The last one that
    is given holds the best dual.
    """
    progress, last = _Progress(), None
    begin = (None, None, None) if warm is None else (warm.dual, warm.X, warm.penalty)
    for ascent in ascend(program, PRODUCTS, *begin):
        if limits.remaining() == 0 and last is not None:
            return
        if ascent is last:
            yield None
            continue
        last, progress = ascent, progress.after(ascent)
        yield ascent
        if _is_closed(ascent, tolerance) or progress.checks - progress.at >= stale:
            return


def _is_closed(ascent: Ascent, tolerance: float) -> bool:
    if ascent.residual > CREDIBLE:
        return False
    gap = abs(ascent.value - ascent.bound)
    return gap <= tolerance * abs(ascent.value) or ascent.residual <= SETTLED


class _Progress(NamedTuple):
    """Checks so far, and the bound when it last rose by enough."""

    checks: int = 0
    bound: float = -math.inf
    at: int = 0

    def after(self, ascent: Ascent) -> "_Progress":
        rise = LEAST_RISE * abs(ascent.value - ascent.bound)
        if self.at == 0 or ascent.bound > self.bound + rise:
            return _Progress(self.checks + 1, ascent.bound, self.checks + 1)
        return self._replace(checks=self.checks + 1)
