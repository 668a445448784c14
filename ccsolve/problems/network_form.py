"""The quadratic form over all channels of a network, as the sum of what is given."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.checks import frozen, real_array, symmetric_matrix
from ccsolve.problems.quadratic_form import factor_form

DENSE_LIMIT = 20_000
"""Largest n for which Q is formed: 3.2 GB of float64."""

SINGLE = 4_000
"""Channels from which searches multiply a factor out in single precision."""


@dataclass(frozen=True, eq=False)
class NetworkForm:
    """Q = dense, or blocks on the groups + factorᵀ·factor + diag(diagonal).

    Attributes
    ----------
    Q : (n, n), None where the parts below are given.
    blocks : one (n_g, n_g) for each group on its members in rising order, or None.
    factor, diagonal : (m, n) and (n,), or None.
    members : the channels of each group, rising.
    """

    Q: np.ndarray | None
    blocks: tuple[np.ndarray, ...] | None
    factor: np.ndarray | None
    diagonal: np.ndarray | None
    members: tuple[np.ndarray, ...]

    @property
    def n(self) -> int:
        """Number of channels."""
        return sum(len(own) for own in self.members)

    @property
    def is_separable(self) -> bool:
        """Whether no term joins channels of different groups, as the form is given."""
        return self.Q is None and (self.factor is None or not self.factor.any())

    def multiply(self, vectors: np.ndarray) -> np.ndarray:
        """Give Q·vectors for (n,) or (n, r)."""
        if self.Q is not None:
            return self.Q @ vectors
        found = np.zeros(vectors.shape)
        for own, block in zip(self.members, self.blocks or (), strict=False):
            found[own] = block @ vectors[own]
        if self.factor is not None:
            found += self.factor.T @ (self.factor @ vectors)
        if self.diagonal is not None:
            found += (self.diagonal * vectors.T).T
        return found

    def quadratic(self, z: np.ndarray) -> float:
        """Give zᵀQz for one vector (n,)."""
        if self.Q is not None:
            return float(z @ (self.Q @ z))
        total = 0.0
        for own, block in zip(self.members, self.blocks or (), strict=False):
            total += float(z[own] @ (block @ z[own]))
        if self.factor is not None:
            image = self.factor @ z
            total += float(image @ image)
        if self.diagonal is not None:
            total += float(self.diagonal @ (z * z))
        return total

    def block(self, g: int) -> np.ndarray:
        """Give Q on the members of a group, (n_g, n_g), a new array."""
        own = self.members[g]
        if self.Q is not None:
            return self.Q[np.ix_(own, own)]
        found = np.zeros((len(own), len(own)))
        if self.blocks is not None:
            found += self.blocks[g]
        if self.factor is not None:
            part = self.factor[:, own]
            found += part.T @ part
        if self.diagonal is not None:
            found[np.diag_indices(len(own))] += self.diagonal[own]
        return found

    def dense(self) -> np.ndarray:
        """Give Q as (n, n); Unsupported above `DENSE_LIMIT` channels."""
        if self.Q is not None:
            return self.Q
        if self.n > DENSE_LIMIT:
            raise Unsupported(
                f"n = {self.n}: a dense Q would take {8e-9 * self.n**2:.1f} GB (limit "
                f"n = {DENSE_LIMIT}); give blocks alone"
            )
        found = np.zeros((self.n, self.n))
        if self.factor is not None:
            found += self.factor.T @ self.factor
        for own, block in zip(self.members, self.blocks or (), strict=False):
            found[np.ix_(own, own)] += block
        if self.diagonal is not None:
            found[np.diag_indices(self.n)] += self.diagonal
        return found

    def diagonal_of_Q(self) -> np.ndarray:
        """Give Q_ii, (n,)."""
        if self.Q is not None:
            return np.diagonal(self.Q).copy()
        found = np.zeros(self.n) if self.diagonal is None else self.diagonal.copy()
        for own, block in zip(self.members, self.blocks or (), strict=False):
            found[own] += np.diagonal(block)
        if self.factor is not None:
            found += np.einsum("ij,ij->j", self.factor, self.factor)
        return found

    @property
    def largest(self) -> float:
        """The largest absolute entry of the parts, of FᵀF for a factor F."""
        parts = [self.diagonal] if self.Q is None else [self.Q]
        found = [np.abs(part).max(initial=0.0) for part in parts if part is not None]
        found += [np.abs(block).max(initial=0.0) for block in self.blocks or ()]
        if self.factor is not None:
            squares = np.einsum("ij,ij->j", self.factor, self.factor)
            found.append(squares.max(initial=0.0))
        return float(max(found, default=0.0))


def network_form(
    Q: Any, blocks: Any, factor: Any, diagonal: Any, members: Sequence[np.ndarray]
) -> NetworkForm:
    """Check what a user gives of the form; InvalidProblem says what does not fit."""
    own = tuple(members)
    n = sum(len(part) for part in own)
    if Q is not None:
        if not (blocks is None and factor is None and diagonal is None):
            raise InvalidProblem(
                "give Q alone, or any of blocks, factor and diagonal, which are added"
            )
        matrix = symmetric_matrix("Q", Q)
        _require_size("Q", matrix.shape, (n, n))
        return NetworkForm(matrix, None, None, None, own)
    if blocks is None and factor is None:
        raise InvalidProblem("give Q, or blocks, or factor (with diagonal)")
    F = None
    if factor is not None:
        F, _ = factor_form(factor, None)
        _require_size("factor", F.shape, (len(F), n))
    D = None if diagonal is None else real_array("diagonal", diagonal, (n,))
    return NetworkForm(None, _blocks(blocks, own), F, D, own)


def _blocks(
    blocks: Any, members: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...] | None:
    if blocks is None:
        return None
    given = list(blocks)
    if len(given) != len(members):
        raise InvalidProblem(
            f"{len(given)} blocks; expected {len(members)}, one for each group"
        )
    found = []
    for g, (block, own) in enumerate(zip(given, members, strict=True)):
        matrix = symmetric_matrix(f"blocks[{g}]", block)
        _require_size(f"blocks[{g}]", matrix.shape, (len(own), len(own)))
        found.append(frozen(matrix))
    return tuple(found)


def _require_size(name: str, got: tuple[int, ...], want: tuple[int, ...]) -> None:
    if got != want:
        raise InvalidProblem(
            f"{name} has shape {got}; expected {want} for {math.prod(want[1:])} "
            "channels of the groups"
        )
