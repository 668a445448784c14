"""The singular components of a weight, without a division by singular values."""

from typing import NamedTuple

import numpy as np

from ccsolve.recipes.compression.sites import Array


class Components(NamedTuple):
    """A matrix (n, d) as Σ_k left_k right_kᵀ, components of falling size.

    left (n, r), right (d, r): one of them orthonormal, the singular values in the
    other. Of a matrix of rank up to r nothing is lost.
    """

    left: Array
    right: Array

    def product(self, chosen: np.ndarray | slice = slice(None)) -> Array:
        """Give the sum of some components, (n, d)."""
        return self.left[:, chosen] @ self.right[:, chosen].T

    def worths(self, squared: Array) -> Array:
        """Give Σ g²∘(left_k right_kᵀ)² of every component, (r,); formula (CC-3)."""
        return _diagonal(np.square(self.left), squared, np.square(self.right))

    def products(self, entries: Array) -> Array:
        """Give the scalar product of entries (n, d) with every component, (r,)."""
        return _diagonal(self.left, entries, self.right)


def components_of(matrix: Array, count: int) -> Components:
    """Give the `count` leading components; O(m²·max(n, d)), m = min(n, d).

    From eigenvectors of the smaller Gram matrix. Directions of singular values below
    1e-8 of the largest are mixed with each other; their sum is the same, and what they
    are worth is 1e-16 of the whole.
    """
    n, d = matrix.shape
    gram = matrix @ matrix.T if n <= d else matrix.T @ matrix
    vectors = np.linalg.eigh(gram)[1][:, ::-1][:, :count]
    if n <= d:
        return Components(vectors, matrix.T @ vectors)
    return Components(matrix @ vectors, vectors)


def spread_worth(parts: Components, squared: Array) -> Array:
    """Give Σ_k g²∘(left_k right_kᵀ)², summed over rows, for each column (d,)."""
    both = np.square(parts.left) @ np.square(parts.right).T
    return np.einsum("ab,ab->b", squared, both)


def _diagonal(left: Array, middle: Array, right: Array) -> Array:
    return np.einsum("ak,ak->k", left, middle @ right)
