"""Options as binary variables, solved by HiGHS: a second opinion."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from ccsolve.interruptible import interruptible
from ccsolve.iterate import Limits, Step, run
from ccsolve.linalg.rounding import gamma
from ccsolve.problems import RateAllocation
from ccsolve.solution import Solution

LEAST = 0.02
"""Seconds below which HiGHS is not begun: building its model takes as long."""

_TIGHTER = 2e-6


def solve(problem: RateAllocation, limits: Limits) -> Solution:
    """Solve the allocation by mixed-integer linear programming.

    One binary variable y_l,i per option, Σ_i y_l,i = 1; for each pair of layers with a
    table K_l·K_h products p_ij ≥ 0 with Σ_j p_ij = y_l,i and Σ_i p_ij = y_h,j (Adams
    and Sherali, 1986). N + Σ K_l·K_h variables; losses and budgets are scaled to a
    largest coefficient of 1.

    Heuristic: the point. HiGHS keeps the budgets up to 1e-7 only: its point is taken if
    it keeps them, else that of a second call with budgets tightened by 2e-6. It stops
    at the relative gap of ``limits``. Proven: the bound, which is not HiGHS's. That of
    its search stands unproven as ``extra["highs_bound"]``: -inf where there is none,
    inf where HiGHS calls the program infeasible. The proven one is the Lagrangian of
    the linear relaxation's duals, prices λ ≥ 0 of the budgets and shifts u of the
    products,

        Σ_l min_i (loss_li + λᵀcost_li + Σ_e u_e,i)
            + Σ_e min_ij (loss_e,ij + λᵀcost_e,ij - u_e,i - u_e,j) - λᵀlimits,

    which holds for any of them, with its rounding outward. λ are the ``duals``.

    HiGHS cannot be cut into steps. It gets the time that is left and runs in a thread
    of its own, so that Ctrl-C ends the call at once; scipy has no way to stop HiGHS,
    which goes on in the background until that time is over, or the process is.
    """
    return run(_steps(problem, limits), limits)


def _steps(problem: RateAllocation, limits: Limits) -> Iterator[Step]:
    yield Step(extra={"highs_bound": -math.inf})
    program = _program(problem)
    if limits.remaining() < LEAST:
        return
    relaxed = interruptible(partial(_relaxed, program, limits), "HiGHS")
    if relaxed.status == 0:
        bound, prices = _proven(program, relaxed)
        yield Step(bound=bound, duals={"budgets": prices})
    if limits.remaining() < LEAST:
        return
    for tightened in (0.0, _TIGHTER):
        tighter = replace(program, room=program.room * (1.0 - tightened))
        found = interruptible(partial(_highs, tighter, limits), "HiGHS")
        extra = {"highs_bound": _claimed(program, found)} if not tightened else None
        x = None if found.x is None else _point(problem, found.x)
        if x is not None and problem.violation(x) == 0:
            yield Step(x, problem.objective(x), extra=extra)
            return
        yield Step(extra=extra)
        if x is None or limits.remaining() < LEAST:
            return


@dataclass(frozen=True, eq=False)
class _Program:
    """min objectiveᵀ(y, p)/unit over equal·(y, p) = ones, spent·(y, p) ≤ room.

    Attributes
    ----------
    products : where the variables of each pair begin, and their number.
    ones : right-hand sides: 1 for the layers, 0 for the products.
    units : (B,) costs times these are ``spent``.
    """

    problem: RateAllocation
    objective: np.ndarray
    equal: sp.csr_array
    ones: np.ndarray
    spent: np.ndarray
    room: np.ndarray
    products: np.ndarray
    unit: float
    units: np.ndarray


def _program(problem: RateAllocation) -> _Program:
    losses, costs = [problem.flat_losses], [problem.flat_costs]
    for edge in problem.edges:
        lost, paid = _tables(problem, edge)
        losses.append(lost.ravel())
        costs.append(paid.reshape(-1, len(problem.limits)))
    objective, spent = np.concatenate(losses), np.concatenate(costs)
    unit = 1.0 / max(np.abs(objective).max(), 1e-300)
    units = 1.0 / np.maximum(spent.max(axis=0), 1e-300)
    products = np.cumsum([problem.size] + [len(part) for part in losses[1:]])
    equal, ones = _equalities(problem, len(objective))
    return _Program(
        problem=problem,
        objective=objective * unit,
        equal=equal,
        ones=ones,
        spent=(spent * units).T,
        room=problem.limits * units,
        products=products,
        unit=unit,
        units=units,
    )


def _tables(
    problem: RateAllocation, edge: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Give losses (K_l, K_h) and costs (K_l, K_h, B) of a pair, zeros where none."""
    shape = tuple(int(problem.sizes[layer]) for layer in edge)
    lost = problem.pair_losses.get(edge, np.zeros(shape))
    paid = problem.pair_costs.get(edge, np.zeros((*shape, len(problem.limits))))
    return lost, paid


def _equalities(
    problem: RateAllocation, variables: int
) -> tuple[sp.csr_array, np.ndarray]:
    """Give the rows: one per layer, then for each pair one per option of either."""
    layers = np.repeat(np.arange(problem.n), problem.sizes)
    rows, columns = [layers], [np.arange(problem.size)]
    signs = [np.ones(problem.size)]
    row, column = problem.n, problem.size
    for edge in problem.edges:
        count = [int(problem.sizes[layer]) for layer in edge]
        numbers = np.indices(count).reshape(2, -1)
        for side, layer in enumerate(edge):
            own = np.arange(count[side])
            rows += [row + numbers[side], row + own]
            columns += [column + np.arange(numbers.shape[1])]
            columns += [problem.offsets[layer] + own]
            signs += [np.ones(numbers.shape[1]), -np.ones(count[side])]
            row += count[side]
        column += numbers.shape[1]
    entries = np.concatenate(signs), (np.concatenate(rows), np.concatenate(columns))
    ones = np.concatenate([np.ones(problem.n), np.zeros(row - problem.n)])
    return sp.csr_array(entries, shape=(row, variables)), ones


def _relaxed(program: _Program, limits: Limits) -> Any:
    return scipy.optimize.linprog(
        program.objective,
        A_ub=program.spent,
        b_ub=program.room,
        A_eq=program.equal,
        b_eq=program.ones,
        options=_time(limits),
    )


def _highs(program: _Program, limits: Limits) -> Any:
    size, variables = program.problem.size, len(program.objective)
    integral = np.concatenate([np.ones(size), np.zeros(variables - size)])
    return scipy.optimize.milp(
        program.objective,
        integrality=integral,
        bounds=(0.0, 1.0),
        constraints=[
            (program.equal, program.ones, program.ones),
            (program.spent, -np.inf, program.room),
        ],
        options={"mip_rel_gap": limits.gap, **_time(limits)},
    )


def _time(limits: Limits) -> dict[str, float]:
    if limits.time_limit < math.inf:
        return {"time_limit": limits.remaining()}
    return {}


def _point(problem: RateAllocation, values: np.ndarray) -> np.ndarray:
    """Give the option of largest value of each layer, (L,)."""
    parts = np.split(values[: problem.size], problem.offsets[1:-1])
    return np.array([int(part.argmax()) for part in parts])


def _claimed(program: _Program, found: Any) -> float:
    """Give the bound that HiGHS claims, in the problem's units."""
    if found.status == 2:
        return math.inf
    bound = found.mip_dual_bound
    return -math.inf if bound is None else float(bound) / program.unit


def _proven(program: _Program, relaxed: Any) -> tuple[float, np.ndarray]:
    """Give the bound that the relaxation's duals prove, and the budgets' prices.

    Scaling rounds, so the bound is computed from the problem's own data, as above; a
    sum of n terms is off by at most γ_n times the sum of their absolute values.
    """
    problem = program.problem
    prices = np.maximum(-relaxed.ineqlin.marginals, 0.0) * program.units / program.unit
    own = problem.flat_losses + problem.flat_costs @ prices
    size = np.abs(problem.flat_losses) + problem.flat_costs @ prices
    shifts = relaxed.eqlin.marginals / program.unit
    row, total, terms = problem.n, 0.0, float(problem.limits @ prices)
    for edge in problem.edges:
        lost, paid = _tables(problem, edge)
        left = shifts[row : row + lost.shape[0]]
        right = shifts[row + lost.shape[0] : row + sum(lost.shape)]
        row += sum(lost.shape)
        for layer, shift in zip(edge, (left, right), strict=True):
            options = slice(*problem.offsets[layer : layer + 2])
            own[options] += shift
            size[options] += np.abs(shift)
        lagrangian = lost + paid @ prices - left[:, None] - right
        total += float(lagrangian.min())
        terms += float((np.abs(lost) + paid @ prices).max())
        terms += float(np.abs(left).max() + np.abs(right).max())
    starts = problem.offsets[:-1]
    total += float(np.minimum.reduceat(own, starts).sum() - problem.limits @ prices)
    terms += float(np.maximum.reduceat(size, starts).sum())
    count = problem.n + 3 * len(problem.edges) + 2 * len(prices) + 8
    return total - 2.0 * gamma(count) * terms, prices
