"""Alternating directions on the dual of the lifted program: one eigh a step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.linalg

from ccsolve.kernels.dual_sweep import (
    budget_steps,
    cut_steps,
    equalities,
    products,
)
from ccsolve.linalg.spectrum import frobenius_norm
from ccsolve.solvers.selection.relaxing.duals import (
    Certificate,
    Cuts,
    Dual,
    certified,
    dual_matrix,
    least_eigenvalue,
    zero_dual,
)
from ccsolve.solvers.selection.relaxing.lifted import (
    LiftedProgram,
    average_point,
)
from ccsolve.solvers.selection.relaxing.separation import renewed_cuts

RELAXATION = 1.6
"""Over-relaxation of the steps."""

PAUSES = 150
"""Channels above which every single step is given, so that a run can be stopped."""

_decompose = scipy.linalg.get_lapack_funcs(("syevd",), dtype=np.float64)[0]


@dataclass(frozen=True)
class Settings:
    """What the ascent works on.

    Attributes
    ----------
    nonnegative : whether X ≥ 0 is required.
    cuts : how many triangle cuts are held at most; 0 for none.
    check : steps between two bounds.
    renewal : checks between two separations of cuts.
    """

    nonnegative: bool = True
    cuts: int = 0
    check: int = 10
    renewal: int = 3


class Ascent(NamedTuple):
    """Where the ascent stands.

    Attributes
    ----------
    bound, dual : the best so far, and what proves it.
    certificate : of that dual.
    X : (N, N), within the equalities, the cuts and X ≥ 0 as far as it has come.
    value : the relaxation's value at X, in the problem's units, not rigorous.
    residual : the larger of the relative primal and dual residuals.
    penalty : where a warm start should begin.
    fresh : how many cuts came in the last separation.
    """

    bound: float
    dual: Dual
    certificate: Certificate
    X: np.ndarray
    value: float
    residual: float
    penalty: float
    fresh: int


class _State(NamedTuple):
    """X (N, N), the dual, M of the dual, the penalty σ, the last residuals, steps."""

    X: np.ndarray
    dual: Dual
    M: np.ndarray
    penalty: float
    primal: float
    stationary: float
    steps: int


def ascend(
    program: LiftedProgram,
    settings: Settings,
    dual: Dual | None = None,
    X: np.ndarray | None = None,
    penalty: float | None = None,
) -> Iterator[Ascent]:
    """Raise the bound for ever; first what the given dual proves.

    The dual is max offset + min ⟨M, X⟩ over X ∈ P, P = {X ⪰ 0, tr X = keep} (≤ most
    without ``keep``), M of the multipliers. One step of the alternating direction
    method on N = M (Wen, Goldfarb and Yin, Math. Prog. Comp. 2010), over-relaxed by α:

        P ← projection of X - σM onto P                      (one eigen-decomposition)
        R ← αP + (1 - α)X
        multipliers, X ← those that make ‖R‖ least when moved (exact coordinate steps)

    The trace stands in the projection, so that every P has it and no multiplier has to
    find it. Cost: O(n³) a step, 0.5 ms at n = 80.

    Gives an `Ascent` each ``settings.check`` steps. Programs of over `PAUSES` channels
    give the last one again after every step, so that no step is long.

    Parameters
    ----------
    dual, X, penalty : where to begin, as an earlier ascent left them.
    """
    dual = zero_dual(program) if dual is None else dual
    state = _begun(program, _own_copy(dual), X, penalty)
    best = _ascent(program, state, dual, certified(program, dual), 0)
    yield best
    while True:
        for _ in range(settings.check):
            state = _step(program, settings, state)
            if program.n > PAUSES:
                yield best
        state = state._replace(M=dual_matrix(program, state.dual))
        best = _checked(program, state, best)
        yield best
        if settings.cuts and state.steps % (settings.check * settings.renewal) == 0:
            state, fresh = _renewed(program, settings, state)
            best = best._replace(fresh=fresh)


def _checked(program: LiftedProgram, state: _State, best: Ascent) -> Ascent:
    """Prove the bound of the state's dual; the better one stays."""
    found = certified(program, state.dual, least_eigenvalue(state.M))
    if found.bound > best.bound:
        return _ascent(program, state, _own_copy(state.dual), found, best.fresh)
    return _ascent(program, state, best.dual, best.certificate, best.fresh)


def _ascent(
    program: LiftedProgram,
    state: _State,
    dual: Dual,
    certificate: Certificate,
    fresh: int,
) -> Ascent:
    value = program.in_units(float((program.C * state.X).sum()))
    residual = max(state.primal, state.stationary)
    return Ascent(
        certificate.bound,
        dual,
        certificate,
        state.X,
        value,
        residual,
        state.penalty,
        fresh,
    )


def _renewed(
    program: LiftedProgram, settings: Settings, state: _State
) -> tuple[_State, int]:
    cuts, fresh = renewed_cuts(program, state.dual.cuts, state.X, settings.cuts)
    return state._replace(dual=replace(state.dual, cuts=cuts)), fresh


def _begun(
    program: LiftedProgram, dual: Dual, X: np.ndarray | None, penalty: float | None
) -> _State:
    X = average_point(program) if X is None else X.copy()
    M = dual_matrix(program, dual)
    if penalty is None:
        spread = M - np.eye(M.shape[0]) * (np.trace(M) / M.shape[0])
        least = max(1e-9 * frobenius_norm(M), 1e-9)
        penalty = frobenius_norm(X) / max(frobenius_norm(spread), least)
    return _State(X, dual, M, penalty, np.inf, np.inf, 0)


def _own_copy(dual: Dual) -> Dual:
    """Give a dual whose arrays the steps may write into."""
    cuts = Cuts(dual.cuts.kinds, dual.cuts.places, dual.cuts.t.copy())
    return Dual(dual.y.copy(), dual.S.copy(), cuts, dual.spend.copy(), dual.save.copy())


def _step(program: LiftedProgram, settings: Settings, state: _State) -> _State:
    X, dual, M, sigma = state.X, state.dual, state.M, state.penalty
    P = _projected(X - sigma * M, program)
    R = RELAXATION * P + (1.0 - RELAXATION) * X
    target = M + R / sigma
    _coordinate_steps(program, settings, dual, R, sigma)
    moved = target - R / sigma
    size = 1.0 + float(np.linalg.norm(P))
    primal = float(np.linalg.norm(P - R)) / size
    stationary = sigma * float(np.linalg.norm(moved - M)) / size
    penalty = _adapted(sigma, primal, stationary, state.steps)
    return _State(R, dual, moved, penalty, primal, stationary, state.steps + 1)


def _coordinate_steps(
    program: LiftedProgram,
    settings: Settings,
    dual: Dual,
    R: np.ndarray,
    sigma: float,
) -> None:
    """Move all multipliers, the equalities first and last."""
    keep = program.keep
    equalities(R, keep, sigma, dual.y)
    if settings.nonnegative:
        products(R, program.first, sigma, dual.S)
    if dual.cuts.t.size:
        cut_steps(R, sigma, *dual.cuts)
    if program.has_budget:
        budget_steps(
            R, program.first, sigma, program.cost, program.limit, dual.spend, dual.save
        )
    equalities(R, keep, sigma, dual.y)


def _adapted(sigma: float, primal: float, stationary: float, count: int) -> float:
    """Balance the residuals; less and less, for convergence needs a fixed penalty."""
    if count % 5 != 4 or count >= 200:
        return sigma
    factor = 1.3 if count < 50 else 1.15
    if primal > 1.5 * stationary:
        return sigma / factor
    return sigma * factor if stationary > 1.5 * primal else sigma


def _projected(V: np.ndarray, program: LiftedProgram) -> np.ndarray:
    """Give the nearest X ⪰ 0 with tr X = keep, or ≤ most without ``keep``."""
    values, vectors, failed = _decompose(V, overwrite_a=1)
    if failed:
        values, vectors = np.linalg.eigh(V)
    shift = simplex_shift(values, float(program.most))
    if not program.keep:
        shift = max(shift, 0.0)
    kept = values > shift
    scaled = vectors[:, kept] * np.sqrt(values[kept] - shift)
    return scaled @ scaled.T


def simplex_shift(values: np.ndarray, total: float) -> float:
    """Give θ with Σ max(values - θ, 0) = total, for ascending values; O(n)."""
    sums = np.cumsum(values[::-1])
    shifts = (sums - total) / np.arange(1, values.size + 1)
    # θ is the last shift that is below the value which it was made with.
    held = np.flatnonzero(values[::-1] > shifts)
    return float(shifts[held[-1]]) if held.size else float(values[-1])
