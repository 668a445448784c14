"""Least squares on changing sets of columns: the symmetric sweep, block by block.

For S inside and U outside, a symmetric matrix X and a matrix Y hold all that choices of
blocks ask for:

    X_SS = -H_SS⁻¹,  X_US = H_US H_SS⁻¹,  X_UU = H_UU - H_US H_SS⁻¹ H_SU,
    Y_S = H_SS⁻¹ C_S,                     Y_U = C_U - H_US Y_S.

With D = X_jj, B = X_·j a block j enters or leaves by (Goodnight, A tutorial on the
SWEEP operator, 1979; s = 1 to enter, -1 to leave)

    X ← X - B D⁻¹ Bᵀ,  Y ← Y - B D⁻¹ Y_j  elsewhere,
    X_j· = s D⁻¹ Bᵀ,  Y_j = s D⁻¹ Y_j,  X_jj = -D⁻¹.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg

_product, _rank_update = scipy.linalg.get_blas_funcs(("gemm", "syrk"), dtype=np.float64)
_inverse = scipy.linalg.get_lapack_funcs(("potri",), dtype=np.float64)[0]

_PENDING = 144
"""Columns of updates that wait for each other, so that X is read once for all."""


class Exchange(NamedTuple):
    """What swaps of one block inside against every block outside change.

    ``blocks`` (u,) are outside, ``falls`` (u,) the fall of the minimum by each swap.
    """

    blocks: np.ndarray
    falls: np.ndarray


@dataclass(eq=False)
class Sweep:
    """X, Y and which blocks are inside; block j has the columns j·g to (j+1)·g.

    Only the lower triangle of ``X`` is kept up, and ``pending`` of its updates, of the
    form -s·U Uᵀ, are still to come; its diagonal blocks are in ``own``.

    Attributes
    ----------
    X : (d, d), Fortran order
    Y : (d, r), C order
    own : (n, g, g), diagonal blocks of X
    inside : (n,) bool
    """

    X: np.ndarray
    Y: np.ndarray
    own: np.ndarray
    inside: np.ndarray
    updates: np.ndarray
    signs: np.ndarray
    pending: int = 0

    @property
    def group(self) -> int:
        """Columns per block."""
        return self.own.shape[1]

    @property
    def parts(self) -> np.ndarray:
        """Y by blocks, (n, g, r)."""
        return self.Y.reshape(len(self.own), self.group, self.Y.shape[1])

    def prices(self) -> np.ndarray:
        """Give ½tr(Y_jᵀ|X_jj|⁻¹Y_j), (n,); O(dgr).

        For a block inside that is what the minimum rises by when it leaves, for one
        outside what it falls by when it enters.
        """
        parts = self.parts
        squares = parts @ parts.transpose(0, 2, 1)
        return 0.5 * _traces(np.where(self.inside, -1.0, 1.0), self.own, squares)

    def move(self, block: int) -> None:
        """Let a block enter or leave; O(dgr) now and O(d²g) when updates are made."""
        sign = -1.0 if self.inside[block] else 1.0
        rows = self._rows(block)
        factor = np.linalg.cholesky(sign * self.own[block])
        U = self._scaled_column(block, factor)
        coefficients = _solved(factor, self.Y[rows])
        _product(
            -sign, coefficients, U, 1.0, self.Y.T, trans_a=1, trans_b=1, overwrite_c=1
        )
        self.Y[rows] = _solved(factor, coefficients, transposed=True)
        parts = U.reshape(self.own.shape)
        self.own -= sign * (parts @ parts.transpose(0, 2, 1))
        inverse = _solved(factor, np.eye(self.group))
        self.own[block] = -sign * (inverse.T @ inverse)
        U[rows] -= sign * inverse.T
        self.inside[block] = sign > 0
        self._postpone(U, sign)

    def exchange(self, block: int) -> Exchange:
        """Give the change of every swap of a block inside; O(dgr).

        With the block gone, X_jj + U_jU_jᵀ and Y_j + U_jy are what the others would be,
        U = X_·i L⁻ᵀ, y = L⁻¹Y_i, LLᵀ = -X_ii.
        """
        outside = np.flatnonzero(~self.inside)
        factor = np.linalg.cholesky(-self.own[block])
        U = self._scaled_column(block, factor).reshape(self.own.shape)[outside]
        y = _solved(factor, self.Y[self._rows(block)])
        parts = self.parts[outside] + U @ y
        own = self.own[outside] + U @ U.transpose(0, 2, 1)
        squares = parts @ parts.transpose(0, 2, 1)
        gains = 0.5 * _traces(np.ones(len(outside)), own, squares)
        return Exchange(outside, gains - 0.5 * float(np.square(y).sum()))

    def _rows(self, block: int) -> slice:
        return slice(block * self.group, (block + 1) * self.group)

    def _scaled_column(self, block: int, factor: np.ndarray) -> np.ndarray:
        """Give X_·j L⁻ᵀ, (d, g)."""
        rows = self._rows(block)
        column = np.empty((len(self.X), self.group))
        column[: rows.start] = self.X[rows, : rows.start].T
        column[rows.stop :] = self.X[rows.stop :, rows]
        if self.pending:
            before = self.updates[:, : self.pending]
            column -= before @ (self.signs[: self.pending, None] * before[rows].T)
        column[rows] = self.own[block]
        return _solved(factor, column.T).T.copy()

    def _postpone(self, U: np.ndarray, sign: float) -> None:
        """Note an update -s·UUᵀ of X; make all of them where no room is left."""
        end = self.pending + self.group
        self.updates[:, self.pending : end] = U
        self.signs[self.pending : end] = sign
        self.pending = end
        if end + self.group > self.updates.shape[1]:
            self._update()

    def _update(self) -> None:
        signs = self.signs[: self.pending]
        for sign in np.unique(signs):
            chosen = self.updates[:, : self.pending][:, signs == sign]
            U = np.asfortranarray(chosen)
            _rank_update(-sign, U, 1.0, self.X, lower=1, overwrite_c=1)
        self.pending = 0


def sweep(H: np.ndarray, C: np.ndarray, inside: np.ndarray) -> Sweep:
    """Make X and Y for the blocks inside, (n,) bool; O(d³), 4/3·d³ at worst.

    Raises
    ------
    LinAlgError
        Where H_SS is not positive definite in floating point.
    """
    d, n = len(H), len(inside)
    group = d // max(1, n)
    kept = np.repeat(inside, group)
    # BLAS takes no empty matrix.
    C = C if C.shape[1] else np.zeros((d, 1))
    X, Y = _swept(H, C, np.flatnonzero(kept), np.flatnonzero(~kept))
    columns = np.arange(d).reshape(n, group)
    own = X[columns[:, :, None], columns[:, None, :]]
    room = group * max(1, min(_PENDING // group, n))
    return Sweep(
        X=X,
        Y=Y,
        own=np.tril(own) + np.tril(own, -1).transpose(0, 2, 1),
        inside=inside.copy(),
        updates=np.empty((d, room), order="F"),
        signs=np.empty(room),
    )


def _swept(
    H: np.ndarray, C: np.ndarray, S: np.ndarray, U: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give X, its lower triangle at least, and Y."""
    X, Y = np.array(H, order="F"), np.array(C, order="C")
    if not len(S):
        return X, Y
    everything = not len(U)
    factor = X if everything else np.asfortranarray(H[np.ix_(S, S)])
    factor = scipy.linalg.cholesky(
        factor, lower=True, overwrite_a=True, check_finite=False
    )
    Y[S] = scipy.linalg.cho_solve((factor, True), C[S], check_finite=False)
    inverse = _inverse(factor, lower=1, overwrite_c=1)[0]
    if everything:
        np.negative(inverse, out=inverse)
        return inverse, Y
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    cross = H[np.ix_(U, S)]
    map_ = cross @ inverse
    X[np.ix_(S, S)] = -inverse
    X[np.ix_(U, S)], X[np.ix_(S, U)] = map_, map_.T
    X[np.ix_(U, U)] = H[np.ix_(U, U)] - map_ @ cross.T
    Y[U] = C[U] - cross @ Y[S]
    return X, Y


def _solved(
    factor: np.ndarray, right: np.ndarray, transposed: bool = False
) -> np.ndarray:
    return scipy.linalg.solve_triangular(
        factor, right, trans=int(transposed), lower=True, check_finite=False
    )


def _traces(signs: np.ndarray, own: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Give tr((s_j·own_j)⁻¹ squares_j) for every block."""
    if own.shape[1] == 1:
        return squares[:, 0, 0] / (signs * own[:, 0, 0])
    solved = np.linalg.solve(own, squares)
    return signs * np.trace(solved, axis1=1, axis2=2)
