"""Where the ascent begins: near the relaxation without inequalities, in no time."""

from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from ccsolve.linalg.unit_rows import random_rows
from ccsolve.solvers.selection.relaxing.duals import Dual, zero_dual
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, average_point
from ccsolve.solvers.selection.relaxing.low_rank_cuts import lagrangian, no_cuts
from ccsolve.solvers.selection.relaxing.low_rank_descent import Iterate, descend
from ccsolve.solvers.selection.relaxing.low_rank_program import (
    LowRankProgram,
    halves,
)

STEPS = 30
"""Steps of the low-rank descent; more bring the bound no further with inequalities."""


def plain_start(program: LiftedProgram) -> tuple[Dual, np.ndarray]:
    """Give multipliers and an X (N, N) near the relaxation without inequalities.

    A few steps of low-rank descent (see `low_rank_descent`) from random rows; its
    multipliers λ of ‖u_i‖ = 1 and its value give y as `low_rank_certificate` states.
    Channels of unequal scale, on which the ascent takes hundreds of steps to begin,
    are no trouble to the descent. O(n²√n).
    """
    dual, n = zero_dual(program), program.n
    if n < 3 or program.keep == n or not program.C.any():
        return dual, average_point(program)
    plain = _low_rank(program)
    columns = min(int(np.sqrt(2.0 * n)) + 3, n + 1)
    U = random_rows(n, columns, plain.total, np.random.default_rng(0))
    objective = partial(lagrangian, plain, no_cuts())
    *_, last = islice(descend(objective, U, plain.total, plain.diagonal), STEPS)
    y, X = _multipliers(program, last), _point(program, last)
    if not (np.isfinite(y).all() and np.isfinite(X).all()):
        return dual, average_point(program)
    return replace(dual, y=y), X


def _low_rank(program: LiftedProgram) -> LowRankProgram:
    """Give the same program, without its budget, as the descent takes it."""
    first = program.first
    return LowRankProgram(
        matrix=np.ascontiguousarray(program.C[first:, first:]),
        factor=None,
        linear=np.zeros(program.n),
        scale=1.0,
        constant=0.0,
        keep=program.keep or None,
        most=program.most,
        cost=np.zeros(program.n),
        limit=np.inf,
        unit=1.0,
        error=0.0,
    )


def _multipliers(program: LiftedProgram, last: Iterate) -> np.ndarray:
    rows = last.multipliers.rows
    if program.keep:
        return (2.0 * rows - last.value / program.keep) / program.keep
    return np.append(last.value, -2.0 * rows)


def _point(program: LiftedProgram, last: Iterate) -> np.ndarray:
    V = halves(last.U)
    if not program.keep:
        unit = np.zeros((1, V.shape[1]))
        unit[0, 0] = 1.0
        V = np.vstack([unit, V])
    return V @ V.T
