"""One layer moved after another, with tables on pairs of layers."""

import numpy as np
from numba import njit

from ccsolve.kernels.pair_moves import Changes, repair, slide


@njit(cache=True)
def mend_and_fill(tables, x, unit, layer_of):
    """Move layers until the budgets hold, then while that gains; whether they hold.

    Moves that mend lose least for the excess they take off, in units (B,) of the
    budgets; those that fill gain most. ``x`` (L,) changes, ``layer_of`` (N,) is each
    option's layer.
    """
    if not repair(tables, x, np.zeros(unit.size), unit, layer_of):
        return False
    moves = Changes(np.empty_like(tables.losses), np.empty_like(tables.costs))
    slide(tables, x, layer_of, 0.0, moves)
    return True
