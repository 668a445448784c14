"""Alternating directions on the dual of the lifted program: one eigh a step."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

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
)
from ccsolve.solvers.selection.relaxing.lifted import (
    LiftedProgram,
    average_point,
)
from ccsolve.solvers.selection.relaxing.plain_start import plain_start
from ccsolve.solvers.selection.relaxing.plane_shift import shifted
from ccsolve.solvers.selection.relaxing.projection import projected
from ccsolve.solvers.selection.relaxing.separation import renewed_cuts

RELAXATION = 1.6
"""Over-relaxation of the steps."""

FIRST_PENALTY = 1.0
"""Times the norm of X over that of M; from 0.5 to 3 it makes little difference."""

BALANCING = 5
"""Checks between two looks at the penalty."""

SMOOTHING = 0.7
"""What is left after a check of a measure that falls at once."""

PAUSES = 150
"""Channels above which every single step is given, so that a run can be stopped."""


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
    renewal: int = 1


class Ascent(NamedTuple):
    """Where the ascent stands.

    Attributes
    ----------
    bound, dual : the best so far, and what proves it.
    certificate : of that dual.
    X : (N, N), within the equalities, the cuts and X ≥ 0 as far as it has come.
    value : the relaxation's value at X, in the problem's units, not rigorous.
    residual : what the last step moved, relative to X.
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
    """What a step starts from.

    X, P (N, N), leading (N, m): before and after the projection, and what it follows.
    M (N, N): of the dual. ``change``: what the last step moved, relative.
    ``imbalance``: the smoothed dual gap and the smoothed price of P's infeasibility,
    see `_balanced`.
    """

    X: np.ndarray
    P: np.ndarray
    leading: np.ndarray | None
    dual: Dual
    M: np.ndarray
    penalty: float
    change: float
    imbalance: tuple[float, float]
    checks: int


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

        P ← projection of X - σM onto P          (eigen-decomposition, see `projected`)
        R ← αP + (1 - α)X
        multipliers, X ← those that make ‖R‖ least when moved (exact coordinate steps)

    The trace stands in the projection, so that every P has it and no multiplier has to
    find it. Cost: O(n³) a step, 0.5 ms at n = 80.

    Gives an `Ascent` each ``settings.check`` steps. Programs of over `PAUSES` channels
    give the last one again after every step, so that no step is long.

    Parameters
    ----------
    dual, X, penalty : where to begin, as an earlier ascent left them; without a dual,
        near the relaxation that has no inequalities.
    """
    if dual is None:
        dual, X = plain_start(program)
    state = _begun(program, _own_copy(dual), X, penalty)
    best, fresh = _ascent(program, state, dual, certified(program, dual), 0), 0
    yield best
    while True:
        for _ in range(settings.check):
            state = _step(program, settings, state)
            if program.n > PAUSES:
                yield best
        M = dual_matrix(program, state.dual)
        dual, estimate = shifted(program, state.dual, M)
        found = certified(program, dual, estimate)
        state = _balanced(program, state._replace(M=M, leading=None), found)
        if found.bound > best.bound:
            best = best._replace(dual=_own_copy(dual), certificate=found)
        best = _ascent(program, state, best.dual, best.certificate, fresh)
        yield best
        if settings.cuts and state.checks % settings.renewal == 0:
            state, fresh = _renewed(program, settings, state)


def _balanced(program: LiftedProgram, state: _State, found: Certificate) -> _State:
    """Move the penalty to where dual gap and primal infeasibility fall together.

    ⟨M, P⟩ + offset exceeds the dual's value by what λ_min(M) lacks, and differs from
    ⟨C, P⟩ by what the multipliers charge P for its infeasibility. A larger penalty
    favours the first. It moves where they are far apart, for every
    change costs steps; and not while cuts come and go, which make the charge jump.
    Residuals in norms, the usual measure, were tried: they led to penalties with which
    the bound lagged behind for hundreds of steps.
    """
    lagrangian = found.offset + float((state.M * state.P).sum())
    lag = lagrangian - found.value
    charge = abs(float((program.C * state.P).sum()) - lagrangian)
    gap, price = state.imbalance
    gap, price = max(lag, SMOOTHING * gap), max(charge, SMOOTHING * price)
    state = state._replace(imbalance=(gap, price), checks=state.checks + 1)
    ratio = gap / price if price > 0 else 1.0
    rests = state.checks % BALANCING > 0 or state.dual.cuts.t.size > 0
    if rests or 0.1 < ratio < 10.0:
        return state
    return state._replace(penalty=state.penalty * (3.0 if ratio > 1 else 1.0 / 3.0))


def _ascent(
    program: LiftedProgram,
    state: _State,
    dual: Dual,
    certificate: Certificate,
    fresh: int,
) -> Ascent:
    value = program.in_units(float((program.C * state.X).sum()))
    return Ascent(
        certificate.bound,
        dual,
        certificate,
        state.X,
        value,
        state.change,
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
        penalty = FIRST_PENALTY * frobenius_norm(X) / _typical_norm(M)
    return _State(X, X, None, dual, M, penalty, np.inf, (0.0, 0.0), 0)


def _typical_norm(M: np.ndarray) -> float:
    """Give the norm that the bulk of the spectrum makes; a few large values do not.

    Directions of large eigenvalues leave X at once, and must not make the penalty small
    for the others. The median deviation is 0.405 of the radius of a semicircle, the
    root mean square 0.5: for random symmetric matrices this is ‖M - mean·I‖_F.
    """
    values = np.linalg.eigvalsh(M)
    root = math.sqrt(values.size)
    typical = root * float(np.median(np.abs(values - np.median(values)))) / 0.81
    spread = root * float(values.std())
    return max(typical, spread / 30.0, 1e-9 * frobenius_norm(M), 1e-9)


def _own_copy(dual: Dual) -> Dual:
    """Give a dual whose arrays the steps may write into."""
    cuts = Cuts(dual.cuts.kinds, dual.cuts.places, dual.cuts.t.copy())
    return Dual(dual.y.copy(), dual.S.copy(), cuts, dual.spend.copy(), dual.save.copy())


def _step(program: LiftedProgram, settings: Settings, state: _State) -> _State:
    X, M, sigma = state.X, state.M, state.penalty
    total, is_exact = float(program.most), program.keep > 0
    P, leading = projected(X - sigma * M, total, is_exact, state.leading)
    R = RELAXATION * P + (1.0 - RELAXATION) * X
    target = M + R / sigma
    _coordinate_steps(program, settings, state.dual, R, sigma)
    moved = target - R / sigma
    change = float(np.linalg.norm(P - R) + sigma * np.linalg.norm(moved - M))
    size = float(np.linalg.norm(P))
    # All of it may be projected away; that is no rest.
    relative = change / size if size > 0 else np.inf
    return state._replace(X=R, P=P, leading=leading, M=moved, change=relative)


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
