"""Which triangle cuts to hold: the violated ones come, the idle ones go."""

import numpy as np

from ccsolve.kernels.triangles import violated_cuts
from ccsolve.solvers.selection.relaxing.duals import Cuts
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram

LEAST_VIOLATION = 1e-3
"""Cuts that are violated by less are not worth their time."""


def renewed_cuts(
    program: LiftedProgram, cuts: Cuts, X: np.ndarray, most: int
) -> tuple[Cuts, int]:
    """Drop the cuts without a multiplier, add the most violated; O(n³).

    At most ``most`` are held and a quarter of that comes at once. Gives the cuts, and
    how many are new.
    """
    cuts = cuts.subset(cuts.t > 0)
    room = min(most - cuts.t.size, max(most // 4, 1))
    if room <= 0:
        return cuts, 0
    kinds, places, violations = violated_cuts(X, program.first, LEAST_VIOLATION, room)
    found = _without(Cuts(kinds, places, np.zeros(violations.size)), cuts)
    return cuts.joined(found), found.t.size


def _without(found: Cuts, held: Cuts) -> Cuts:
    """Leave out the cuts that are held."""
    fresh = ~np.isin(_names(found), _names(held))
    return found.subset(fresh)


def _names(cuts: Cuts) -> np.ndarray:
    """Give one number per cut."""
    places = cuts.places.astype(np.int64)
    number = cuts.kinds.astype(np.int64)
    for column in range(3):
        number = number * 1_000_003 + places[:, column]
    return number
