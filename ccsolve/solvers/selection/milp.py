"""Products linearised, solved by HiGHS: a second opinion on small programs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize

from ccsolve.interruptible import interruptible
from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.solution import Solution
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.rounding import first_step
from ccsolve.solvers.selection.searching.engine import engine_for

LEAST = 0.02
"""Seconds below which HiGHS is not begun: building its model takes as long."""


def solve(problem: ChannelSelection, limits: Limits) -> Solution:
    """Solve the program by mixed-integer linear programming.

    Glover's linearisation (1975): with h_i(z) = Σ_{j≠i} Q_ij z_j and 0 ≤ s_i ≤ 1,

        min Σ_i (Q_ii + q_i + low_i)z_i + width_i·s_i,
        width_i·s_i ≥ h_i(z) - low_i·z_i - high_i(1 - z_i),

    where low_i ≤ h_i(z) ≤ low_i + width_i at the points with z_i = 1 and high_i ≥
    h_i(z) at those with z_i = 0: sums of the keep - 1 smallest and largest entries of
    the row and of its keep largest, or of its negative and positive ones. n binary and
    n continuous variables; data are scaled to a largest coefficient of 1.

    Heuristic: the point. HiGHS's is taken only if feasible, and improved by swaps; it
    stops at the relative gap of ``limits``. Proven: the bound, which is not HiGHS's. A
    search in floating point prunes within tolerances and adds rounded cuts, and leaves
    nothing behind from which its bound could be checked; it stands unproven as
    ``extra["highs_bound"]``, -inf where there is none. The proven one is the tangent of
    the first step; `merge` with a relaxation's solution gives a better one.

    HiGHS cannot be cut into steps. It gets the time that is left and runs in a thread
    of its own, so that Ctrl-C ends the call at once; scipy has no way to stop HiGHS,
    which goes on in the background until that time is over, or the process is. Takes
    n ≤ 200; beyond n ≈ 40 its gap seldom closes.
    """
    return run(_steps(problem, limits), limits)


def _steps(problem: ChannelSelection, limits: Limits) -> Iterator[Step]:
    first = first_step(problem, plain_form(problem))
    yield first._replace(extra={"highs_bound": -math.inf})
    engine = engine_for(problem, seed=0)
    yield from engine.descend(first.x)
    if limits.remaining() < LEAST:
        return
    program = _linearised(problem)
    result = interruptible(lambda: _highs(program, limits), "HiGHS")
    extra = {"highs_bound": _in_our_units(program, result.mip_dual_bound)}
    z = None if result.x is None else result.x[: problem.n] > 0.5
    if z is None or problem.violation(z) > 0:
        yield Step(extra=extra)
        return
    yield Step(z, problem.objective(z), extra=extra)
    yield from engine.descend(z)


_Row = tuple[np.ndarray, Any, Any]
"""(A, low, high): low ≤ A·(z, s, 1) ≤ high."""


@dataclass(frozen=True, eq=False)
class _Program:
    """min scale⁻¹·objectiveᵀ(z, s, 1) over the rows; the last variable is 1."""

    n: int
    objective: np.ndarray
    rows: list[_Row]
    scale: float


def _linearised(problem: ChannelSelection) -> _Program:
    n, scale = problem.n, _scale(problem)
    pairs = problem.dense() * scale
    linear = np.diagonal(pairs) + problem.q * scale
    np.fill_diagonal(pairs, 0.0)
    low, width, high = _row_ranges(pairs, problem.keep)
    objective = np.concatenate([linear + low, width, [problem.constant * scale]])
    # width·s - h(z) + (low - high)z ≥ -high
    matrix = np.hstack([np.diag(low - high) - pairs, np.diag(width), np.zeros((n, 1))])
    units = np.abs(matrix).max(axis=1)
    units[units == 0] = 1.0
    # Rows far below 1 are lost in HiGHS's tolerances, which are absolute.
    rows: list[_Row] = [(matrix / units[:, None], -high / units, np.inf)]
    return _Program(n, objective, rows + _constraints(problem), scale)


def _scale(problem: ChannelSelection) -> float:
    largest = float(np.abs(problem.dense()).max(initial=0.0))
    largest = max(largest, float(np.abs(problem.q).max(initial=0.0)))
    # The root of what Q may hold: the reciprocal of a denormal would be infinite.
    return 1.0 / largest if largest > 1e-300 else 1.0


def _row_ranges(
    Q: np.ndarray, keep: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give low, width and high of `solve`, (n,) each; O(n² log n)."""
    n = Q.shape[0]
    others = Q[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    if keep is None:
        low = np.minimum(others, 0.0).sum(axis=1)
        high = np.maximum(others, 0.0).sum(axis=1)
        return low, high - low, high
    others = np.sort(others, axis=1)
    low = others[:, : keep - 1].sum(axis=1)
    highest = others[:, n - keep :].sum(axis=1)
    return low, highest - low, others[:, n - 1 - keep :].sum(axis=1)


def _constraints(problem: ChannelSelection) -> list[_Row]:
    n = problem.n
    rows: list[_Row] = []
    if problem.keep is not None:
        ones = np.concatenate([np.ones(n), np.zeros(n + 1)])
        rows.append((ones[None], problem.keep, problem.keep))
    if problem.cost is not None and problem.cost.any():
        unit = float(problem.cost.max())
        spent = np.concatenate([problem.cost / unit, np.zeros(n + 1)])
        rows.append((spent[None], -np.inf, problem.budget_limit / unit))
    return rows


def _highs(program: _Program, limits: Limits) -> Any:
    n = program.n
    # Its presolve ends at wrong optima where data differ much in scale (scipy 1.17).
    options: dict[str, float] = {"mip_rel_gap": limits.gap, "presolve": False}
    if limits.time_limit < math.inf:
        options["time_limit"] = limits.remaining()
    lower = np.concatenate([np.zeros(2 * n), [1.0]])
    return scipy.optimize.milp(
        program.objective,
        integrality=np.concatenate([np.ones(n), np.zeros(n + 1)]),
        bounds=(lower, np.ones(2 * n + 1)),
        constraints=program.rows,
        options=options,
    )


def _in_our_units(program: _Program, bound: float | None) -> float:
    return -math.inf if bound is None else bound / program.scale
