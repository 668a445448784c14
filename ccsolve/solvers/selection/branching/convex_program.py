"""A convex quadratic below the objective, from the multipliers of a lifted program."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ccsolve.linalg.rounding import EPS, TINY, gamma
from ccsolve.linalg.spectrum import eigenvalue_floor, frobenius_norm
from ccsolve.solvers.selection.relaxing.convex_form import ConvexForm, with_shift
from ccsolve.solvers.selection.relaxing.duals import (
    NO_CUTS,
    Certificate,
    Cuts,
    Dual,
    forming_error,
    least_eigenvalue,
)
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram


@dataclass(frozen=True, eq=False)
class ConvexProgram:
    """½xᵀHx + linearᵀx + constant + ½xᵀPx + cuts, below the objective where feasible.

    In the units of the lifted program. H is positive semidefinite, on the plane 1ᵀx =
    keep at least; P ≥ 0 has a zero diagonal, the cuts have places among the channels.
    ``keep`` is -1 where there is none, ``cost`` empty without a budget. ``error``
    covers the rounding of the data; ``off_plane`` is what convexity lacks per |1ᵀy -
    keep| and unit of length, 0 where H is convex everywhere.
    """

    H: np.ndarray
    P: np.ndarray
    cuts: Cuts
    linear: np.ndarray
    constant: float
    keep: int
    cost: np.ndarray
    limit: float
    error: float
    off_plane: float = 0.0

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.linear.size


def convex_program(
    program: LiftedProgram, dual: Dual, certificate: Certificate, softening: float
) -> ConvexProgram:
    """Give the convex part that a dual proves, as a quadratic in x; O(n³).

    With M and the offset of the certificate, the objective is ⟨M + S, wwᵀ⟩ + offset,
    the cuts, and the budget's products, which are at least 0 and left out. For w = x,
    xᵀMx = xᵀ(M - φI)x + φ·1ᵀx with φ below the least eigenvalue: over the box this is
    convex, and its minimum is at least the dual's bound (QCR: Billionnet, Elloumi and
    Plateau, Discrete Applied Mathematics 157, 2009; P = 2S and the cuts, which a
    quadratic in x alone cannot use, count again where variables are fixed). For w = (1,
    x) the first row is linear.

    Parameters
    ----------
    softening : how far below the least eigenvalue φ lies, for tableaux that are not
        singular. It costs at most softening·Σx_i(1 - x_i).
    """
    M, first = certificate.matrix, program.first
    block = M[first:, first:]
    least = certificate.floor if program.keep else _least(block)
    phi = least - softening
    H = 2.0 * block
    own = np.arange(H.shape[0])
    H[own, own] -= 2.0 * phi
    linear = np.full(own.size, phi)
    constant = certificate.offset
    if not program.keep:
        linear = linear + 2.0 * M[0, 1:]
        constant += float(M[0, 0])
    P = 2.0 * dual.S[first:, first:]
    return ConvexProgram(
        H=H,
        P=P,
        cuts=dual.cuts._replace(places=dual.cuts.places - first),
        linear=linear,
        constant=constant,
        keep=program.keep or -1,
        cost=program.cost[first:].copy() if program.has_budget else _NO_COST,
        limit=program.limit if program.has_budget else 0.0,
        error=program.error
        + program.most * forming_error(program, dual)
        + _rounding(certificate, program.most, H, linear, P),
    )


def plane_program(form: ConvexForm, program: LiftedProgram) -> ConvexProgram:
    """Give a convex form as such a program, in units of the lifted one; O(n²).

    The quadratic is convex on the plane alone. With d = z - y and d₁ its part along 1,
    ½dᵀHd ≥ -(3/2)‖H‖‖d‖‖d₁‖, ‖d₁‖ = |1ᵀy - keep|/√n and ‖d‖ ≤ √n(1 + max |y_i|).
    """
    form, matrix = _formed(form)
    H = np.ldexp(2.0 * matrix, -program.exponent)
    own = np.arange(form.n)
    H[own, own] -= np.ldexp(2.0 * form.shift, -program.exponent)
    linear = np.ldexp(form.linear, -program.exponent)
    entries = form.most * frobenius_norm(H)
    entries += math.sqrt(form.most) * frobenius_norm(linear)
    entries += form.most * abs(math.ldexp(form.shift, -program.exponent))
    error = math.ldexp(form.error, -program.exponent)
    return ConvexProgram(
        H=H,
        P=np.zeros_like(H),
        cuts=NO_CUTS,
        linear=linear,
        constant=0.0,
        keep=program.keep or -1,
        cost=program.cost[program.first :].copy() if program.has_budget else _NO_COST,
        limit=program.limit if program.has_budget else 0.0,
        error=program.error + error + 16.0 * EPS * entries + H.size * TINY,
        off_plane=1.5 * frobenius_norm(H) if program.keep else 0.0,
    )


_NO_COST = np.empty(0)


def _formed(form: ConvexForm) -> tuple[ConvexForm, np.ndarray]:
    """Give the form with its matrix, which rounding leaves convex, and the matrix.

    ‖fl(FᵀF) - FᵀF‖ ≤ γ_m·‖F‖_F² for the m rows of F: the shift falls by that much.
    """
    if form.matrix is not None:
        return form, form.matrix
    assert form.factor is not None
    rounding = gamma(form.factor.shape[0]) * form.norm**2
    lower = with_shift(form, form.shift - rounding)
    error = form.error + form.most * rounding
    return replace(lower, error=error), form.factor.T @ form.factor


def _least(block: np.ndarray) -> float:
    return eigenvalue_floor(block, least_eigenvalue(block))


def _rounding(
    certificate: Certificate,
    most: int,
    H: np.ndarray,
    linear: np.ndarray,
    P: np.ndarray,
) -> float:
    """Bound the rounding of the data, as a change of the objective at binary points.

    ``certificate.value`` lies below offset + most·floor by the slack of the offset;
    what follows here is a few roundings of every entry.
    """
    slack = certificate.offset + most * certificate.floor - certificate.value
    entries = most * (frobenius_norm(H) + frobenius_norm(P))
    entries += math.sqrt(most) * frobenius_norm(linear) + abs(certificate.offset)
    return max(slack, 0.0) + 16.0 * EPS * entries + H.size * TINY


def tangent_rounding(program: ConvexProgram) -> np.ndarray:
    """Give what a tangent is lowered by, as `kernels.convex_tree.Program` takes it.

    At most n terms of a sum, each below the largest row sum of |H| + |P| and the
    largest |linear|, enter a slope or a constant, and at most n slopes a bound. The
    multipliers ν and price enter n + 2 sums of two terms.
    """
    n = program.n
    rows = float((np.abs(program.H) + program.P).sum(axis=1).max(initial=0.0))
    largest = rows + float(np.abs(program.linear).max(initial=0.0))
    total = abs(program.constant) + n * largest + 4.0 * float(program.cuts.t.sum())
    static = program.error + 8.0 * gamma(2 * n + 8) * total + n * n * TINY
    money = 0.0
    if program.cost.size:
        money = float(program.cost.max()) + program.limit
    return np.array([static, 8.0 * gamma(2 * n + 8) * n, money, program.off_plane])
