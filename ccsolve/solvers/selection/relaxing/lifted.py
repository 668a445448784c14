"""The program over products: linear in X = wwᵀ, semidefinite, of known trace."""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.linalg.rounding import EPS, TINY, gamma
from ccsolve.problems import ChannelSelection
from ccsolve.problems.exactness import forming_error


@dataclass(frozen=True, eq=False)
class LiftedProgram:
    """Minimise 2^exponent·⟨C, X⟩ + constant over X = wwᵀ, relaxed to X ⪰ 0.

    With ``keep`` ≥ 1, w = x: tr X = keep and Xe = keep·diag X hold, which makes the row
    of a homogenising 1 superfluous (facial reduction). With ``keep`` = 0, which stands
    for none, w = (1, x): X_00 = 1, X_0i = X_ii, tr X ≤ ``most``. Linear terms stand on
    the diagonal of C. A budget multiplied by x_i and by 1 - x_i gives, with
    v = limit·x_i - (X·cost)_i: v ≥ 0 and limit - costᵀdiag X - v ≥ 0.

    Attributes
    ----------
    C : (N, N) symmetric, of largest entry near 1.
    keep, most : the cardinality, and the trace or what it cannot exceed.
    cost, limit : (N,) of largest entry near 1, and what they may add up to; inf, and
        zeros, without a budget.
    exponent, constant : of the objective.
    error : how far ⟨C, wwᵀ⟩ can be from exact, in its own units.
    """

    C: np.ndarray
    keep: int
    most: int
    cost: np.ndarray
    limit: float
    exponent: int
    constant: float
    error: float

    @property
    def first(self) -> int:
        """Place of the first channel in w."""
        return 0 if self.keep else 1

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.C.shape[0] - self.first

    @property
    def has_budget(self) -> bool:
        """Whether there is a budget."""
        return self.limit < math.inf

    def in_units(self, value: float) -> float:
        """Give constant + 2^exponent·value, rounded down; -inf where it overflows."""
        try:
            scaled = math.nextafter(math.ldexp(value, self.exponent), -math.inf)
        except OverflowError:
            return -math.inf
        total = math.nextafter(self.constant + scaled, -math.inf)
        return total if math.isfinite(total) else -math.inf

    def from_units(self, value: float) -> float:
        """Give (value - constant)·2^-exponent, for targets; not rounded either way."""
        try:
            return math.ldexp(value - self.constant, -self.exponent)
        except OverflowError:
            return math.inf


def lift(problem: ChannelSelection) -> LiftedProgram:
    """Give the lifted program of a problem without fixings; O(n²), O(mn²) factored."""
    n, keep = problem.n, problem.keep or 0
    first = 0 if keep else 1
    plain = problem.dense()
    C = np.zeros((n + first, n + first))
    C[first:, first:] = plain
    own = np.arange(first, n + first)
    C[own, own] += problem.q
    exponent = _exponent(C)
    scaled = np.ldexp(C, -exponent)
    diagonal = np.ldexp(np.abs(np.diagonal(plain)) + np.abs(problem.q), -exponent)
    error = 2.0 * EPS * float(diagonal.sum()) + C.size * TINY
    error += _ldexp(forming_error(problem), -exponent)
    cost, limit = _budget(problem, first)
    most = keep or 1 + most_affordable(cost[1:], limit)
    return LiftedProgram(
        scaled, keep, most, cost, limit, exponent, problem.constant, error
    )


def adjoint(program: LiftedProgram, y: np.ndarray) -> np.ndarray:
    """Give the matrix of the equalities' multipliers y (N,), which adds nothing to f.

    keep ≥ 1: ½(ye' + ey') - keep·diag(y). Otherwise: the sum over i ≥ 1 of
    y_i(E_ii - ½(E_0i + E_i0)), less y_0·E_00.
    """
    if program.keep:
        matrix = 0.5 * (y[:, None] + y[None, :])
        matrix[np.diag_indices(y.size)] = (1.0 - program.keep) * y
        return matrix
    matrix = np.diag(y)
    matrix[0, 1:] = matrix[1:, 0] = -0.5 * y[1:]
    matrix[0, 0] = -y[0]
    return matrix


def average_point(program: LiftedProgram) -> np.ndarray:
    """Give a matrix (N, N) within the relaxation: the mean of wwᵀ over many points."""
    N, n = program.C.shape[0], program.n
    if program.keep:
        share = program.keep / n
        pair = share * (program.keep - 1) / max(n - 1, 1)
    else:
        share = 0.5 * (program.most - 1) / max(n, 1)
        pair = share * share
    X = np.full((N, N), pair)
    if not program.keep:
        X[0] = X[:, 0] = share
        X[0, 0] = 1.0
    own = np.arange(program.first, N)
    X[own, own] = share
    return X


def _exponent(C: np.ndarray) -> int:
    """Give e with 2^(e-1) ≤ max |C_ij| < 2^e; 0 for a zero matrix."""
    return math.frexp(float(np.abs(C).max(initial=0.0)))[1]


def _ldexp(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.inf


def _budget(problem: ChannelSelection, first: int) -> tuple[np.ndarray, float]:
    """Give costs and limit by powers of 2; the limit covers what rounding lets pass."""
    cost = np.zeros(problem.n + first)
    if problem.cost is None or not problem.cost.any():
        return cost, math.inf
    cost[first:] = problem.cost
    exponent = _exponent(cost)
    limit = problem.budget_limit * (1.0 + 4.0 * gamma(problem.n + 4))
    scaled = np.ldexp(cost, -exponent)
    underflow = 2.0 * cost.size * TINY
    return scaled, _ldexp(limit, -exponent) + underflow


def most_affordable(cost: np.ndarray, limit: float) -> int:
    """Give how many channels at most can be afforded together."""
    if limit == math.inf:
        return cost.size
    spent = np.cumsum(np.sort(cost)) * (1.0 - gamma(cost.size + 4))
    return int((spent <= limit).sum())
