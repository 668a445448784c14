"""The quadratic loss of one layer, diagonal after a change of variables.

    f(W) = ½ tr M (W - W₀) H (W - W₀)ᵀ    or    f(W) = ½ Σ G ∘ (W - W₀)²

over weights (n, d). The tensor T of W is seen through one invertible matrix per mode,
T' = T ×₁ S₁ ×₂ S₂ ..., which changes no rank, and S₁, S₂, ... are roots of the
Kronecker factors nearest to the curvature in its partial traces. What is left of the
curvature is near the identity, and diagonal in the eigenvectors of H' (and M').
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ccsolve.recipes.admm.modewise import Modewise, along, rooted
from ccsolve.recipes.admm.rank_set import RankSet

Array = NDArray[Any]

FLOOR = 1e-8
"""Least part of the largest eigenvalue that a change of variables divides by."""


@dataclass(frozen=True, eq=False)
class LayerLoss:
    """The loss f over tensors T' = T'₀ + (P w Qᵀ): f = ½ Σ λ w².

    Parameters
    ----------
    modewise
        T -> T'.
    reference
        T'₀, the image of the tensor of W₀.
    rows, columns
        P (n, n) and Q (d, d), orthogonal, or None for the identity.
    curvature
        λ ≥ 0, (n, d) or what broadcasts to it.
    """

    modewise: Modewise
    reference: Array
    rows: Array | None
    columns: Array | None
    curvature: Array
    width: int

    def turned(self, tensor: Array) -> Array:
        """Give w, (n, d), of a tensor T'."""
        w = (tensor - self.reference).reshape(-1, self.width)
        w = w if self.columns is None else w @ self.columns
        return w if self.rows is None else self.rows.T @ w

    def tensor(self, w: Array) -> Array:
        """Give the tensor T' of w."""
        w = w if self.columns is None else w @ self.columns.T
        w = w if self.rows is None else self.rows @ w
        return self.reference + w.reshape(self.reference.shape)

    def value(self, w: Array) -> float:
        """Give f."""
        return 0.5 * float(np.sum(self.curvature * w * w))


def quadratic(
    weight: Array, space: RankSet, inputs: Array | None, outputs: Array | None
) -> LayerLoss:
    """Give ½ tr M (W - W₀) H (W - W₀)ᵀ, H = `inputs`, M = `outputs`, None for I.

    H (d, d) is over the channel-major columns of W₀ = `weight`, (n, c, kernel...). Two
    eigen-decompositions of H, the second one of what the first has left, and as many
    of M: O(d³ + n³) once.
    """
    order = space.columns
    turned = None if inputs is None else inputs[np.ix_(order, order)]
    sides = _sides(space, outputs, turned)
    parts: list[Array | None] = [None] * len(space.modes)
    for side in sides:
        for mode, trace in side.traces():
            parts[mode] = trace
    modewise = rooted(parts, FLOOR)
    (rows, row_values), (columns, column_values) = (
        side.diagonal(modewise) for side in sides
    )
    reference = modewise.of(space.tensor(weight))
    curvature = row_values[:, None] * column_values
    width = math.prod(space.shape[1:])
    return LayerLoss(modewise, reference, rows, columns, curvature, width)


def elementwise(weight: Array, space: RankSet, weights: Array) -> LayerLoss:
    """Give ½ Σ G ∘ (W - W₀)² with G = `weights` ≥ 0 of the shape of W₀ = `weight`."""
    tensor = space.tensor(weights)
    axes = range(tensor.ndim)
    parts = [tensor.mean(axis=tuple(a for a in axes if a != axis)) for axis in axes]
    modewise = rooted(parts, 1e-4)
    squares = [None if t is None else t * t for t in modewise.inverses]
    width = math.prod(space.shape[1:])
    curvature = along(squares, tensor).reshape(-1, width)
    reference = modewise.of(space.tensor(weight))
    return LayerLoss(modewise, reference, None, None, curvature, width)


def partial_traces(matrix: Array, sizes: Sequence[int]) -> list[Array]:
    """Give one matrix per factor of the rows, the others traced out; traces alike."""
    count = len(sizes)
    whole = matrix.reshape(*sizes, *sizes)
    traces = []
    for keep in range(count):
        left = list(range(count))
        right = [count if place == keep else place for place in left]
        traces.append(np.einsum(whole, [*left, *right], [keep, count]))
    return traces


@dataclass(frozen=True, eq=False)
class _Side:
    """The curvature of the rows or columns of W (None: I), and the modes they are of.

    `modes` has None for a factor of the side that is part of a mode of both sides.
    """

    matrix: Array | None
    sizes: tuple[int, ...]
    modes: tuple[int | None, ...]

    def traces(self) -> list[tuple[int, Array]]:
        """Give the partial traces of the modes that are of this side alone."""
        if self.matrix is None:
            return []
        traces = partial_traces(self.matrix, self.sizes)
        pairs = zip(self.modes, traces, strict=True)
        return [(mode, trace) for mode, trace in pairs if mode is not None]

    def diagonal(self, modewise: Modewise) -> tuple[Array | None, Array]:
        """Give eigenvectors (None for I) and eigenvalues of S⁻ᵀ A S⁻¹."""
        if self.matrix is None:
            return None, np.ones(math.prod(self.sizes))
        inverses = (None if m is None else modewise.inverses[m] for m in self.modes)
        turns = [None if inverse is None else inverse.T for inverse in inverses]
        whole = along([*turns, *turns], self.matrix.reshape(*self.sizes, *self.sizes))
        left = whole.reshape(self.matrix.shape)
        values = np.diagonal(left)
        off = np.abs(left - np.diag(values)).max(initial=0.0)
        if off <= 1e-10 * np.abs(values).max(initial=0.0):
            # One mode is the whole side: its root has made the curvature diagonal.
            return None, np.maximum(values, 0.0)
        values, vectors = eigh(0.5 * (left + left.T))
        return vectors, np.maximum(values, 0.0)


def _sides(
    space: RankSet, outputs: Array | None, inputs: Array | None
) -> tuple[_Side, _Side]:
    """Give the sides of the rows and of the columns."""
    first, places = space.inputs_from, tuple(range(len(space.modes)))
    lead, trail = space.modes[:first], space.modes[first:]
    if space.outputs_alone:
        rows = _Side(outputs, lead, places[:first])
        return rows, _Side(inputs, trail, places[first:])
    # One mode has outputs and a part of what a filter reads: it stays as it is.
    n = space.shape[0]
    rows = _Side(outputs, (n,), (None,))
    sizes = (math.prod(lead) // n, *trail)
    return rows, _Side(inputs, sizes, (None, *places[first:]))
