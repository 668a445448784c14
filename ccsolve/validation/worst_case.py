"""The worst of several programs over the same network, minimised, with a bound.

    min over z of max over b of f_b(z)            f_b(z) = zᵀQ_b z + q_bᵀz + constant_b

For weights w ≥ 0 of sum 1 the maximum is no less than Σ_b w_b·f_b(z), a program of the
same kind: its bound is a bound of the worst case, whatever the weights. The best such
bound is a concave function's maximum over the weights, and Σ_b w_b·f_b(z) of every
point found so far is a plane above it: Kelley's cutting planes (Journal of the Society
for Industrial and Applied Mathematics 8, 1960), whose linear program has one row for
each point. Between the best bound and the optimum a gap remains, for z is binary.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from ccsolve.api import solve
from ccsolve.errors import InvalidProblem
from ccsolve.problems import NetworkSelection
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.problems.records import reduced
from ccsolve.solution import Solution, Stop, TracePoint, verify

Array = NDArray[np.float64]

METHOD = "worst_case"

_MOST_ROUNDS = 10_000


@dataclass(frozen=True, eq=False)
class WorstOf:
    """The largest of several programs' objectives, over their common points.

    InvalidProblem where they differ in more than the objective.
    """

    programs: tuple[NetworkSelection, ...]

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check that the points are the same."""
        if not self.programs:
            raise InvalidProblem("no programs; expected one at least")
        object.__setattr__(self, "programs", tuple(self.programs))
        first = self.programs[0]
        for other in self.programs[1:]:
            if not _same_points(first, other):
                raise InvalidProblem(
                    "programs of other groups, widths, fixings or budgets; expected "
                    "such as differ in the objective alone"
                )

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.programs[0].n

    @property
    def resolution(self) -> float:
        """Differences of the objective below this are rounding."""
        return max(program.resolution for program in self.programs)

    def objectives(self, z: Any) -> Array:
        """Give f_b(z) of every program, (B,)."""
        return np.array([program.objective(z) for program in self.programs])

    def objective(self, z: Any, /) -> float:
        """Give the largest of them."""
        return float(self.objectives(z).max())

    def violation(self, z: Any, /) -> float:
        """Give how far the point is from feasible."""
        return self.programs[0].violation(z)

    def mixture(self, weights: Array) -> NetworkSelection:
        """Give the program Σ_b w_b·f_b; dense where a program joins groups."""
        parts = self.programs[0].parts()
        pairs = list(zip(weights.tolist(), self.programs, strict=True))
        blocks, Q = None, None
        if all(p.form.is_separable for p in self.programs):
            places = range(self.programs[0].count)
            blocks = [sum(w * p.form.block(g) for w, p in pairs) for g in places]
        else:
            Q = sum(w * p.form.dense() for w, p in pairs)
        form = {"Q": Q, "blocks": blocks, "factor": None, "diagonal": None}
        return NetworkSelection(
            **{
                **parts,
                **form,
                "q": sum(w * p.q for w, p in pairs),
                "constant": float(sum(w * p.constant for w, p in pairs)),
            }
        )


def solve_worst(
    problem: WorstOf,
    *,
    rounds: int = 8,
    time_limit: float = 30.0,
    gap: float = 1e-6,
    method: str = "auto",
    seed: int = 0,
) -> Solution:
    """Minimise the worst case; proven: the best bound of a mixture.

    Each round solves the program of the present weights, sets them anew by the points
    so far, and improves its point by swaps within groups under the worst case itself.

    Parameters
    ----------
    rounds
        Programs that are solved at most.
    time_limit
        Seconds for all, shared evenly.
    gap
        Relative gap at which to stop.
    method, seed
        Of `solve`; a method without bounds leaves the bound at -inf.

    Returns
    -------
    Solution
        Its ``extra`` has the weights of the best bound and the objectives at ``x``.
    """
    rounds = whole_number("rounds", rounds, 1, _MOST_ROUNDS)
    limit, start = real_number("time_limit", time_limit, 0.0), time.perf_counter()
    best = Solution(None, math.inf, -math.inf, Stop.FINISHED)
    weights = np.full(len(problem.programs), 1.0 / len(problem.programs))
    seen: list[Array] = []
    trace: list[TracePoint] = []
    held, stop = weights, Stop.STEP_LIMIT
    for number in range(rounds):
        found = solve(problem.mixture(weights), method, limit / rounds, gap, seed)
        # Rounding in the mixture, and in weights of sum 1, is below the resolution.
        bound = found.bound - 2.0 * problem.resolution
        if bound > best.bound:
            best, held = _with_bound(best, bound), weights
        for z in swapped(problem, np.asarray(found.x)):
            seen.append(problem.objectives(z))
            if seen[-1].max() < best.objective:
                best = _with_point(best, z, float(seen[-1].max()))
        now = time.perf_counter() - start
        trace.append(TracePoint(now, number, best.objective, best.bound))
        if best.objective - best.bound <= gap * abs(best.objective):
            stop = Stop.GAP
            break
        if now > limit:
            stop = Stop.TIME_LIMIT
            break
        weights = 0.5 * (held + cutting_weights(np.array(seen)))
    assert best.x is not None
    solution = Solution(
        best.x,
        problem.objective(best.x),
        min(best.bound, problem.objective(best.x)),
        stop,
        method=METHOD,
        seconds=time.perf_counter() - start,
        trace=tuple(trace),
        resolution=problem.resolution,
        extra={"weights": held, "objectives": problem.objectives(best.x)},
    )
    verify(problem, solution)
    return solution


def cutting_weights(objectives: Array) -> Array:
    """Give the weights w that make the least Σ_b w_b·f_b over the rows largest.

    A linear program: max t, t ≤ objectives·w, w ≥ 0, Σw = 1; (T, B) in, (B,) out.
    """
    count = objectives.shape[1]
    scale = max(float(np.abs(objectives).max()), 1e-300)
    rows = np.column_stack([-objectives / scale, np.ones(len(objectives))])
    found = linprog(
        np.append(np.zeros(count), -1.0),
        A_ub=rows,
        b_ub=np.zeros(len(rows)),
        A_eq=np.append(np.ones(count), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * count + [(None, None)],
    )
    if found.status != 0:  # HiGHS gave up: any weights serve a bound
        return np.full(count, 1.0 / count)
    weights = np.maximum(found.x[:count], 0.0)
    return weights / weights.sum()


def swapped(problem: WorstOf, z: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Give the point, and what is left when no swap within a group lowers the worst.

    The best swap of all goes each time. O(B·n²) a swap for coupled programs.
    """
    yield z
    now, values = z.copy(), problem.objectives(z)
    while True:
        worst, i, j = _best_swap(problem, now, values)
        if worst >= values.max() - problem.resolution:
            break
        now[i], now[j] = False, True
        values = problem.objectives(now)
    if (now != z).any():
        yield now


def _best_swap(
    problem: WorstOf, z: NDArray[np.bool_], values: Array
) -> tuple[float, int, int]:
    """Give the least worst case after a swap, what goes and what comes."""
    point = z.astype(np.float64)
    slopes = [2.0 * p.form.multiply(point) + p.q for p in problem.programs]
    first, best = problem.programs[0], (math.inf, 0, 0)
    for g, own in enumerate(first.members):
        out, into = np.flatnonzero(z[own]), np.flatnonzero(~z[own])
        if first.fixed is not None:
            out = out[first.fixed[own[out]] < 0]
            into = into[first.fixed[own[into]] < 0]
        if not len(out) or not len(into):
            continue
        after = [
            value + _changes(p.form.block(g), slope[own], out, into)
            for value, slope, p in zip(values, slopes, problem.programs, strict=True)
        ]
        worst = np.max(after, axis=0)
        place = int(worst.argmin())
        if worst.flat[place] < best[0]:
            row, column = divmod(place, len(into))
            i, j = int(own[out[row]]), int(own[into[column]])
            best = (float(worst.flat[place]), i, j)
    return best


def _changes(
    block: Array, slope: Array, out: NDArray[np.int64], into: NDArray[np.int64]
) -> Array:
    """Give the change of zᵀQz + qᵀz for every pair that goes and comes."""
    diagonal = block.diagonal()
    going = diagonal[out] - slope[out]
    coming = diagonal[into] + slope[into]
    return going[:, None] + coming[None] - 2.0 * block[np.ix_(out, into)]


def _same_points(one: NetworkSelection, other: NetworkSelection) -> bool:
    names = ("groups", "budgets", "multiple_of", "min_keep", "max_keep", "fixed")
    first, second = one.parts(), other.parts()
    return all(_equal(first[name], second[name]) for name in names)


def _equal(one: Any, other: Any) -> bool:
    if is_dataclass(one) and type(one) is type(other):
        names = [each.name for each in fields(one)]
        return all(_equal(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _with_bound(best: Solution, bound: float) -> Solution:
    return Solution(best.x, best.objective, bound, best.stop)


def _with_point(best: Solution, z: Any, objective: float) -> Solution:
    return Solution(z.copy(), objective, best.bound, best.stop)
