"""The dual of the lifted program as a cvxpy problem, and its multipliers."""

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse

from ccsolve.solvers.selection.relaxing.duals import NO_CUTS, Dual
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram


@dataclass(frozen=True, eq=False)
class ConicModel:
    """The dual as a cvxpy problem, with what is read from it.

    Attributes
    ----------
    y : of the equalities. pairs : of X_ij ≥ 0, i < j, None without them.
    spend, save : of the budget, None without one.
    semidefinite : the constraint whose multiplier is X.
    """

    problem: cp.Problem
    y: cp.Variable
    pairs: cp.Variable | None
    spend: cp.Variable | None
    save: cp.Variable | None
    semidefinite: Any


def conic_model(program: LiftedProgram, nonnegative: bool) -> ConicModel:
    """Give max keep·μ + offset over multipliers with M - μI ⪰ 0; O(n⁴) with pairs.

    M is the matrix of `duals.dual_matrix`; without ``keep`` μ is 0, and the multiplier
    of X_00 = 1 is what is maximised.
    """
    N = program.C.shape[0]
    y, mu = cp.Variable(N), cp.Variable()
    matrix: Any = program.C + _equalities(program, y)
    value: Any = y @ np.eye(N)[0]
    if program.keep:
        matrix, value = matrix - mu * np.eye(N), program.keep * mu
    pairs = spend = save = None
    if nonnegative and program.n > 1:
        pairs = cp.Variable(program.n * (program.n - 1) // 2, nonneg=True)
        places = _pair_places(N, program.first)
        matrix = matrix - cp.reshape(places @ pairs, (N, N), order="F")
    if program.has_budget:
        spend, save = cp.Variable(N, nonneg=True), cp.Variable(N + 1, nonneg=True)
        matrix = matrix + _budget(program, spend, save)
        value = value - program.limit * cp.sum(save)
    semidefinite: Any = 0.5 * (matrix + matrix.T) >> 0
    model = cp.Problem(cp.Maximize(value), [semidefinite])
    return ConicModel(model, y, pairs, spend, save, semidefinite)


def _outer(a: Any, b: Any) -> Any:
    """Give abᵀ of vectors, of which one is a constant."""
    n = a.shape[0]
    return cp.reshape(a, (n, 1), order="F") @ cp.reshape(b, (1, n), order="F")


def _equalities(program: LiftedProgram, y: cp.Variable) -> Any:
    """Give the matrix of the equalities' multipliers; see `lifted.adjoint`."""
    N = program.C.shape[0]
    if program.keep:
        half = 0.5 * _outer(y, np.ones(N))
        return half + half.T - program.keep * cp.diag(y)
    unit, signs = np.eye(N)[0], np.ones(N) - 2.0 * np.eye(N)[0]
    half = 0.5 * _outer(unit, cp.multiply(y, np.ones(N) - unit))
    return cp.diag(cp.multiply(y, signs)) - half - half.T


def _pair_places(N: int, first: int) -> scipy.sparse.csc_matrix:
    """Give the map of pairs i < j of channels to both places of an (N, N) matrix."""
    i, j = np.triu_indices(N - first, 1)
    i, j, count = i + first, j + first, np.arange(i.size)
    rows = np.concatenate([i + N * j, j + N * i])
    columns = np.concatenate([count, count])
    ones = np.ones(rows.size)
    return scipy.sparse.csc_matrix((ones, (rows, columns)), (N * N, i.size))


def _budget(program: LiftedProgram, spend: cp.Variable, save: cp.Variable) -> Any:
    """Give the matrix of the budget's multipliers; see `LiftedProgram`.

    v ≥ 0 adds -spend·v; limit - costᵀdiag X - v ≥ 0 adds save·(costᵀdiag X + v); the
    last of ``save`` is that of costᵀdiag X ≤ limit alone.
    """
    difference = spend - np.eye(program.C.shape[0], program.C.shape[0] + 1) @ save
    half = 0.5 * _outer(difference, program.cost)
    own = cp.sum(save) * program.cost - program.limit * difference
    return half + half.T + cp.diag(own)


def mended_dual(program: LiftedProgram, model: ConicModel) -> Dual | None:
    """Give the solver's multipliers with signs mended, None where it has none."""
    if model.y.value is None or not np.isfinite(model.y.value).all():
        return None
    N = program.C.shape[0]
    S = np.zeros((N, N))
    if model.pairs is not None:
        i, j = np.triu_indices(program.n, 1)
        i, j = i + program.first, j + program.first
        S[i, j] = S[j, i] = _mended(model.pairs, i.size)
    return Dual(
        y=np.asarray(model.y.value),
        S=S,
        cuts=NO_CUTS,
        spend=_mended(model.spend, N),
        save=_mended(model.save, N + 1),
    )


def _mended(variable: cp.Variable | None, size: int) -> np.ndarray:
    if variable is None or variable.value is None:
        return np.zeros(size)
    return np.maximum(np.asarray(variable.value), 0.0)
