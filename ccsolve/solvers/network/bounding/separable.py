"""A function of each group's channels alone that is nowhere above the objective."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ccsolve.linalg.rounding import gamma
from ccsolve.linalg.spectrum import eigenvalue_floor
from ccsolve.problems import NetworkSelection
from ccsolve.solvers.network.enumerate_all import scoring_error

Blocks = tuple[np.ndarray | None, ...]
"""(n_g, n_g) of each group on its members; None for zeros."""


@dataclass(frozen=True, eq=False)
class Separable:
    """Σ_g z_gᵀ·blocks_g·z_g + linearᵀz + constant, at most the objective everywhere.

    Attributes
    ----------
    linear : (n,).
    constant : lowered by what rounding may have added.
    """

    blocks: Blocks
    linear: np.ndarray
    constant: float


def as_given(problem: NetworkSelection) -> Separable:
    """Give the objective of a separable problem itself, but for rounding."""
    blocks = tuple(problem.form.block(g) for g in range(problem.count))
    return Separable(blocks, problem.q, problem.constant - scoring_error(problem))


@dataclass(frozen=True, eq=False)
class Rest:
    """A matrix M proven positive semidefinite: ``matrix`` + shift·I, or FᵀF."""

    matrix: np.ndarray | None
    shift: float = 0.0
    factor: np.ndarray | None = None

    def image(self, point: np.ndarray) -> np.ndarray:
        """Give what products with M are made of: M·y, or F·y."""
        if self.factor is not None:
            return self.factor @ point
        assert self.matrix is not None
        return self.matrix @ point + self.shift * point

    def slope(self, image: np.ndarray) -> np.ndarray:
        """Give M·y from the image of y."""
        return image if self.factor is None else self.factor.T @ image

    @property
    def size(self) -> int:
        """Give the entries of the matrix, or of the factor."""
        given = self.matrix if self.factor is None else self.factor
        assert given is not None
        return given.size

    @property
    def trace(self) -> float:
        """Give the sum of M's diagonal."""
        if self.factor is not None:
            return float(np.square(self.factor).sum())
        assert self.matrix is not None
        return float(np.trace(self.matrix)) + self.shift * len(self.matrix)

    @cached_property
    def sums(self) -> np.ndarray:
        """The sums of absolute entries of the columns of M's matrix, or F's rows."""
        given = self.matrix if self.factor is None else self.factor.T
        assert given is not None
        return np.array([float(np.abs(row).sum()) for row in given.T])

    def rounding(self, point: np.ndarray, image: np.ndarray) -> float:
        """Bound Σ_i of what a tangent's terms are made of, in size."""
        if self.factor is not None:
            return float(self.sums @ np.abs(image)) + float(image @ image)
        own = self.shift * (len(point) + float(np.abs(point).sum()))
        return float(self.sums @ np.abs(point)) + own


@dataclass(frozen=True, eq=False)
class Split:
    """Q = blocks + M on binary points, but for a linear term; M is convex.

    What is convex lies above its tangent at any point. For z_i² = z_i a diagonal may be
    traded for a linear term: of a shift that makes M convex, or one that was given.

    Attributes
    ----------
    linear : (n,) the problem's, with that diagonal in it.
    """

    problem: NetworkSelection
    blocks: Blocks
    rest: Rest
    linear: np.ndarray
    error: float

    def tangent_at(self, point: np.ndarray) -> Separable:
        """Give the separable minorant that touches M's part at a point (n,) in [0, 1].

        zᵀMz ≥ (2My)ᵀz - yᵀMy; with a factor ‖Fz‖² ≥ 2wᵀFz - wᵀw for any w, so that the
        rounding of w = Fy costs nothing. O(n²), O(mn) with a factor.
        """
        image = self.rest.image(point)
        linear = self.linear + 2.0 * self.rest.slope(image)
        curved = float((point if self.rest.factor is None else image) @ image)
        size = 2.0 * self.rest.rounding(point, image)
        size += float(np.abs(self.linear).sum())
        terms = len(point) + len(image) + 8
        slack = self.error + 8.0 * gamma(terms) * size
        return Separable(self.blocks, linear, self.problem.constant - curved - slack)

    def own_value(self, z: np.ndarray) -> float:
        """Give what of a point's value is not M's."""
        total = float(self.linear @ z)
        for own, block in zip(self.problem.members, self.blocks, strict=True):
            total += 0.0 if block is None else float(z[own] @ (block @ z[own]))
        return total


def split(problem: NetworkSelection, share: float) -> Split:
    """Leave a share of the blocks to the groups and make the rest convex; O(n³)."""
    rest = problem.form.dense().copy()
    blocks: list[np.ndarray | None] = []
    for g, own in enumerate(problem.members):
        block = share * problem.form.block(g) if share else None
        blocks.append(block)
        if block is not None:
            rest[np.ix_(own, own)] -= block
    shift = max(0.0, -eigenvalue_floor(rest))
    # What is taken off the rest is added to the blocks up to rounding.
    error = 2.0 * scoring_error(problem)
    made = Rest(rest, shift)
    return Split(problem, tuple(blocks), made, problem.q - shift, error)


def split_as_given(problem: NetworkSelection) -> Split:
    """Leave blocks and diagonal to the groups; the factor's part is convex. O(mn)."""
    form = problem.form
    assert form.factor is not None
    diagonal = np.zeros(problem.n) if form.diagonal is None else form.diagonal
    blocks = form.blocks or (None,) * problem.count
    error = 2.0 * scoring_error(problem)
    rest = Rest(None, factor=form.factor)
    return Split(problem, blocks, rest, problem.q + diagonal, error)
