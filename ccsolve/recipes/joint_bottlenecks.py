"""A layer as a bottleneck: fewer channels in, fewer channels out, fitted again.

In place of y = V x with V (n, c·k) over c channels and k kernel positions stand three
maps: c channels to r_in at every place alone, the kernel's own map of these to r_out,
and that to the n outputs. It is a Tucker-2 chain; fitted here to what the layer gives
on the samples, in the metric of the loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Array = NDArray[Any]

_LEAST = 1e-6
"""Eigenvalues below this part of the largest are raised to it, so that roots invert."""


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """What bottlenecks of a layer lose: tr(M E[εεᵀ]), ε the error in its outputs.

    Parameters
    ----------
    weight
        V (n, d), the map that loses nothing; d = channels · kernel, channel-major.
    moments
        H (d, d), positive definite: the ridged covariance of the columns.
    curvature
        M (n, n), what squares of errors in the outputs count.
    channels
        c.

    Notes
    -----
    The channels that come in are the leading directions P of the marginal problem: with
    C the covariance of channels, averaged over kernel positions, and A = Σ_k V_kᵀMV_k,
    the eigenvectors of C^½AC^½, taken back through C^½. With P given all else is exact:
    the map behind it is least squares, its outputs are a reduced-rank regression. One
    Cholesky factor in the basis of P serves every r_in, its leading blocks being those
    of fewer directions: O(d³) once, O(n³) for each r_in.
    """

    weight: Array
    moments: Array
    curvature: Array
    channels: int

    @cached_property
    def directions(self) -> Array:
        """P, (c, c): all directions of channels, the most important first."""
        n, c = len(self.weight), self.channels
        maps = self.weight.reshape(n, c, -1)
        rows = np.tensordot(self.root, maps, 1)
        worth = np.tensordot(rows, rows, ((0, 2), (0, 2)))
        square = self.moments.reshape(c, -1, c, self._kernel)
        spread, back = _roots(np.einsum("akbk->ab", square) / self._kernel)
        vectors = np.linalg.eigh(spread @ worth @ spread)[1][:, ::-1]
        return back @ vectors

    @cached_property
    def root(self) -> Array:
        """The symmetric root of M."""
        return self._both_roots[0]

    def losses(self, ins: Sequence[int], outs: Sequence[int]) -> Array:
        """Give what is lost with r_in and r_out channels, (len(ins), len(outs))."""
        whole = float(np.square(self._passed).sum())
        kept = np.array([self._kept(r, outs) for r in ins]).reshape(len(ins), -1)
        return np.maximum(whole - kept, 0.0)

    def fitted(self, into: int, out: int) -> Array:
        """Give Z (n, d), the map of the bottleneck with r_in = into and r_out = out."""
        rows = into * self._kernel
        map_ = solve_triangular(
            self._factor[:rows, :rows].T, self._passed[:rows], lower=False
        )
        gram = self._passed[:rows].T @ self._passed[:rows]
        kept = np.linalg.eigh(gram)[1][:, ::-1][:, :out]
        behind = self._both_roots[1] @ kept @ (kept.T @ map_.T)
        n = len(self.weight)
        along = behind.reshape(n, into, self._kernel)
        taken = np.tensordot(along, self.directions[:, :into], (1, 1))
        return taken.swapaxes(1, 2).reshape(n, -1)

    @property
    def _kernel(self) -> int:
        return self.weight.shape[1] // self.channels

    @cached_property
    def _both_roots(self) -> tuple[Array, Array]:
        return _roots(self.curvature)

    @cached_property
    def _turned(self) -> Array:
        """H in the basis of the directions, (d, d)."""
        half = _along(self.directions, self.moments)
        return _along(self.directions, half.T)

    @cached_property
    def _factor(self) -> Array:
        return np.linalg.cholesky(self._turned)

    @cached_property
    def _passed(self) -> Array:
        """What the columns say of the outputs, uncorrelated, (d, n)."""
        cross = _along(self.directions, self.moments @ self.weight.T) @ self.root
        return solve_triangular(self._factor, cross, lower=True)

    def _kept(self, into: int, outs: Sequence[int]) -> Array:
        rows = self._passed[: into * self._kernel]
        values = np.linalg.eigvalsh(rows.T @ rows)[::-1].clip(min=0.0)
        return np.concatenate([[0.0], np.cumsum(values)])[list(outs)]


def _along(directions: Array, matrix: Array) -> Array:
    """Give (P ⊗ I)ᵀ times a matrix of channel-major rows."""
    c = len(directions)
    turned = directions.T @ matrix.reshape(c, -1)
    return turned.reshape(matrix.shape)


def _roots(matrix: Array) -> tuple[Array, Array]:
    """Give the symmetric root and its inverse; of nothing at all the identity's."""
    values, vectors = np.linalg.eigh(matrix)
    most = float(values[-1])
    values = values.clip(min=_LEAST * most) if most > 0 else np.ones(len(values))
    root = np.sqrt(values)
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
