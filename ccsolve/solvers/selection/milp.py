"""Products linearised, solved by HiGHS: an independent oracle for small programs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize

from ccsolve.iterate import Limits, Step, run
from ccsolve.linalg.rounding import EPS
from ccsolve.problems import ChannelSelection
from ccsolve.problems.exactness import forming_error
from ccsolve.solution import Solution
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.lattice import lattice_of
from ccsolve.solvers.selection.relaxing.rounding import first_step
from ccsolve.solvers.selection.searching.engine import engine_for

TOLERANCE = 1e-6
"""The largest violation HiGHS lets pass in a constraint, a bound or a reduced cost."""

SMALLEST = 1e-9
"""Entries below this part of the largest are left out, as HiGHS would, but counted."""


def solve(problem: ChannelSelection, limits: Limits) -> Solution:
    """Solve the program by mixed-integer linear programming.

    Glover's linearisation (1975): with h_i(z) = Σ_{j≠i} Q_ij z_j and 0 ≤ s_i ≤ 1,

        min Σ_i (Q_ii + q_i + low_i)z_i + width_i·s_i,
        width_i·s_i ≥ h_i(z) - low_i·z_i - high_i(1 - z_i),

    where low_i ≤ h_i(z) ≤ low_i + width_i at the points with z_i = 1 and high_i ≥
    h_i(z) at those with z_i = 0: sums of the keep - 1 smallest and largest entries of
    the row and of its keep largest, or of its negative and positive ones. n binary and
    n continuous variables.

    HiGHS stops at the relative gap of ``limits``; its search cannot be cut into steps
    and is given the time that is left. Its point is taken only if feasible, and
    improved by swaps. Its bound is that of a floating-point solver: it is lowered by
    what its tolerances can move the linear programs behind it (`_lowered`), not proven
    in exact arithmetic. Data are scaled to a largest coefficient of 1. Takes n ≤ 200;
    beyond n ≈ 40 the gap seldom closes.
    """
    return run(_steps(problem, limits), limits)


def _steps(problem: ChannelSelection, limits: Limits) -> Iterator[Step]:
    first = first_step(problem, plain_form(problem))
    yield first
    engine = engine_for(problem, seed=0)
    yield from engine.descend(first.x)
    program = _linearised(problem)
    result = _optimised(program, limits)
    bound = lattice_of(problem).raised(_lowered(program, result.mip_dual_bound))
    z = None if result.x is None else result.x[: problem.n] > 0.5
    if z is None or problem.violation(z) > 0:
        yield Step(bound=bound)
        return
    yield Step(z, problem.objective(z), bound)
    yield from engine.descend(z)


_Row = tuple[np.ndarray, Any, Any]
"""(A, low, high): low ≤ A·(z, s, 1) ≤ high."""


@dataclass(frozen=True, eq=False)
class _Program:
    """min scale⁻¹·objectiveᵀ(z, s, 1) over the rows; the last variable is 1.

    ``units`` is the sum of what the n rows of s were divided by; ``left_out`` bounds
    what left-out entries, and rounding, can add to the objective.
    """

    n: int
    objective: np.ndarray
    rows: list[_Row]
    scale: float
    units: float
    left_out: float


def _linearised(problem: ChannelSelection) -> _Program:
    n, scale = problem.n, _scale(problem)
    Q = problem.dense() * scale
    linear = np.diagonal(Q) + problem.q * scale
    pairs = np.where(np.abs(Q) < SMALLEST, 0.0, Q)
    left_out = float(np.abs(Q - pairs).sum()) + forming_error(problem) * scale
    np.fill_diagonal(pairs, 0.0)
    low, width, high = _row_ranges(pairs, problem.keep)
    objective = np.concatenate([linear + low, width, [problem.constant * scale]])
    # width·s - h(z) + (low - high)z ≥ -high
    matrix = np.hstack([np.diag(low - high) - pairs, np.diag(width), np.zeros((n, 1))])
    units = np.abs(matrix).max(axis=1)
    units[units == 0] = 1.0
    # Rows far below 1 are lost in HiGHS's tolerances, which are absolute.
    rows: list[_Row] = [(matrix / units[:, None], -high / units, np.inf)]
    rows += _constraints(problem)
    return _Program(n, objective, rows, scale, float(units.sum()), left_out)


def _scale(problem: ChannelSelection) -> float:
    largest = float(np.abs(problem.dense()).max(initial=0.0))
    largest = max(largest, float(np.abs(problem.q).max(initial=0.0)))
    return 1.0 / largest if largest > 0 else 1.0


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


def _optimised(program: _Program, limits: Limits) -> Any:
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


def _lowered(program: _Program, dual_bound: float | None) -> float:
    """Give HiGHS's bound in our units, less what its tolerances may have added.

    Each leaf of the search is a linear program solved to feasibility and reduced costs
    within ``TOLERANCE``. Reduced costs off by that much move its optimum by the ranges
    of the 2n variables, which are 1. Rows off by that much move it by their dual
    values: at most its unit for a row of s, at most the largest coefficient of the
    objective for the cardinality.
    """
    if dual_bound is None or not math.isfinite(dual_bound):
        return -math.inf
    largest = float(np.abs(program.objective[: program.n]).max(initial=0.0))
    moved = TOLERANCE * (2 * program.n + program.units + largest)
    moved += program.left_out + 64 * EPS * abs(dual_bound)
    return (dual_bound - moved) / program.scale
