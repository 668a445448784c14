"""Multipliers of the lifted program, and the bound that any of them prove."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg

from ccsolve.kernels.dual_sweep import ALL, APEX, EITHER, UNDER
from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.linalg.spectrum import eigenvalue_floor, frobenius_norm
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, adjoint

_decompose = scipy.linalg.get_lapack_funcs(("syevd",), dtype=np.float64)[0]
_some_eigenvalues = scipy.linalg.get_lapack_funcs(("syevr",), dtype=np.float64)[0]


class Cuts(NamedTuple):
    """Cuts with their multipliers: kinds (m,), places (m, 3) in w, t (m,) ≥ 0."""

    kinds: np.ndarray
    places: np.ndarray
    t: np.ndarray

    def subset(self, chosen: np.ndarray) -> "Cuts":
        """Give the chosen cuts."""
        return Cuts(self.kinds[chosen], self.places[chosen], self.t[chosen])

    def joined(self, other: "Cuts") -> "Cuts":
        """Give these cuts and the others."""
        return Cuts(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


NO_CUTS = Cuts(np.empty(0, np.int64), np.empty((0, 3), np.int64), np.empty(0))


@dataclass(frozen=True, eq=False)
class Dual:
    """Multipliers; every one of them proves a bound, whatever its entries.

    Attributes
    ----------
    y : (N,) of the equalities, any sign; y[0] is X_00 = 1's where keep = 0.
    S : (N, N) ≥ 0 of X ≥ 0, symmetric with a zero diagonal (and zero row 0 of (1, x)).
    cuts : with multipliers ≥ 0.
    spend, save : (N,) and (N + 1,) ≥ 0 of the budget, see `kernels.dual_sweep`.
    """

    y: np.ndarray
    S: np.ndarray
    cuts: Cuts
    spend: np.ndarray
    save: np.ndarray


class Certificate(NamedTuple):
    """A proven bound of the problem, and what proves it.

    Attributes
    ----------
    bound : in the problem's units.
    value : in the program's own: offset + most·floor, less the rounding.
    matrix : (N, N), M of the multipliers.
    floor : proven lower bound of every eigenvalue of the exact M, at most 0 for
        keep = 0.
    offset : what the multipliers' constants add.
    """

    bound: float
    value: float
    matrix: np.ndarray
    floor: float
    offset: float


def zero_dual(program: LiftedProgram) -> Dual:
    """Give the dual that takes from C its part along the equalities; O(n²).

    A common part of all entries of C, however large, then has no say.
    """
    N = program.C.shape[0]
    y = np.zeros(N)
    if program.keep:
        y = _plane_part(program)
    return Dual(y, np.zeros((N, N)), NO_CUTS, np.zeros(N), np.zeros(N + 1))


def _plane_part(program: LiftedProgram) -> np.ndarray:
    """Give y that minimises ‖C + A*(y)‖_F off the diagonal."""
    n = program.C.shape[0]
    if n < 3:
        return np.zeros(n)
    rows = program.C.sum(axis=1) - np.diagonal(program.C)
    # Off the diagonal the normal equations are ½((n - 2)y + (eᵀy)e) = -rows.
    total = -float(rows.sum()) / (n - 1)
    return (-2.0 * rows - total) / (n - 2)


def dual_matrix(program: LiftedProgram, dual: Dual) -> np.ndarray:
    """Give M = C + A*(y) - S - the cuts' and the budget's matrices; O(n²)."""
    M = program.C + adjoint(program, dual.y)
    M -= dual.S
    if dual.cuts.t.size:
        M -= _cut_matrix(M.shape[0], dual.cuts)
    if program.has_budget:
        M -= _budget_matrix(program, dual)
    return M


def certified(
    program: LiftedProgram, dual: Dual, estimate: float | None = None
) -> Certificate:
    """Prove the bound of a dual; O(n³), as a Cholesky factorisation and an eigenvalue.

    At any feasible x the objective is ⟨M, wwᵀ⟩ + offset + a sum of multipliers times
    what is not negative, and ‖w‖² is keep, or at most ``most``. So λ_min(M) decides,
    and nothing is asked of the multipliers but their signs, which are checked.

    Parameters
    ----------
    estimate : a computed least eigenvalue of M, where there is one.
    """
    M = dual_matrix(program, dual)
    if not (np.isfinite(M).all() and _signs_hold(dual)):
        return Certificate(-math.inf, -math.inf, M, -math.inf, 0.0)
    if estimate is None:
        estimate = least_eigenvalue(M)
    floor = eigenvalue_floor(M, estimate) - forming_error(program, dual)
    if not program.keep:
        floor = min(floor, 0.0)
    offset, terms = _offset(program, dual)
    value = offset + program.most * floor
    slack = program.error + 4.0 * EPS * (terms + abs(program.most * floor))
    value -= slack + gamma(dual.cuts.t.size + 2 * M.shape[0] + 8) * terms
    return Certificate(program.in_units(value), value, M, floor, offset)


def least_eigenvalue(A: np.ndarray) -> float:
    """Give the computed λ_min(A); O(n³), without the vectors."""
    values = _some_eigenvalues(A, compute_v=0, range="I", il=1, iu=1)[0]
    return float(values[0])


def decomposed(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give eigenvalues, ascending, and vectors of a symmetric matrix; O(n³)."""
    values, vectors, failed = _decompose(A)
    return np.linalg.eigh(A) if failed else (values, vectors)


def _signs_hold(dual: Dual) -> bool:
    parts = (dual.S, dual.cuts.t, dual.spend, dual.save)
    return all(float(part.min(initial=0.0)) >= 0.0 for part in parts)


def _offset(program: LiftedProgram, dual: Dual) -> tuple[float, float]:
    """Give the sum of the multipliers' constants, and that of their absolute values."""
    with_constant = (dual.cuts.kinds == ALL) | (dual.cuts.kinds == EITHER)
    cuts = float(dual.cuts.t[with_constant].sum())
    unit = 0.0 if program.keep else float(dual.y[0])
    saved = program.limit * float(dual.save.sum()) if program.has_budget else 0.0
    return unit - cuts - saved, abs(unit) + cuts + saved


def forming_error(program: LiftedProgram, dual: Dual) -> float:
    """Bound what rounding moves the eigenvalues of M when it is formed.

    An entry is a sum of at most 12 terms and one for each cut that holds it, so that
    the Frobenius norms of the parts, times γ, bound the error.
    """
    reach = math.sqrt(dual.y.size) + program.most + 2.0
    size = frobenius_norm(program.C) + reach * frobenius_norm(dual.y)
    size += frobenius_norm(dual.S)
    if program.has_budget:
        lengths = frobenius_norm(dual.spend) + 2.0 * float(dual.save.sum())
        size += 2.0 * lengths * (program.limit + frobenius_norm(program.cost))
    slack = gamma(16) * size
    if dual.cuts.t.size:
        slack += gamma(dual.cuts.t.size + 16) * (frobenius_norm(program.C) + size)
        slack += 3.0 * gamma(dual.cuts.t.size + 16) * float(dual.cuts.t.sum())
    return slack


def _cut_matrix(N: int, cuts: Cuts) -> np.ndarray:
    """Give Σ t·G without the constants; O(m)."""
    half = np.zeros((N, N))
    for kind, pairs in _PATTERNS.items():
        of_kind = cuts.kinds == kind
        t, places = 0.5 * cuts.t[of_kind], cuts.places[of_kind]
        for a, b, weight in pairs:
            np.add.at(half, (places[:, a], places[:, b]), weight * t)
    return half + half.T


_PATTERNS = {
    APEX: ((0, 0, 1.0), (0, 1, -1.0), (0, 2, -1.0), (1, 2, 1.0)),
    ALL: (
        (0, 0, -1.0),
        (1, 1, -1.0),
        (2, 2, -1.0),
        (0, 1, 1.0),
        (0, 2, 1.0),
        (1, 2, 1.0),
    ),
    UNDER: ((0, 0, 1.0), (0, 1, -1.0)),
    EITHER: ((0, 0, -1.0), (1, 1, -1.0), (0, 1, 1.0)),
}
"""Per kind, (a, b, weight): weight·X_ab among the three places."""


def _budget_matrix(program: LiftedProgram, dual: Dual) -> np.ndarray:
    """Give the matrix of spend and save without the constants; see `dual_sweep`."""
    save = dual.save[:-1]
    difference = save - dual.spend
    rows = 0.5 * difference[:, None] * program.cost
    matrix = rows + rows.T
    diagonal = -program.limit * difference - dual.save.sum() * program.cost
    matrix[np.diag_indices(save.size)] += diagonal
    return matrix
