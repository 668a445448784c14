"""A function of each group's channels alone that is nowhere above the objective."""

from dataclasses import dataclass

import numpy as np

from ccsolve.linalg.rounding import gamma
from ccsolve.linalg.spectrum import eigenvalue_floor
from ccsolve.problems import NetworkSelection
from ccsolve.solvers.network.enumerate_all import scoring_error


@dataclass(frozen=True, eq=False)
class Separable:
    """Σ_g z_gᵀ·blocks_g·z_g + linearᵀz + constant, at most the objective everywhere.

    Attributes
    ----------
    blocks : (n_g, n_g) of each group on its members.
    linear : (n,).
    constant : lowered by what rounding may have added.
    """

    blocks: tuple[np.ndarray, ...]
    linear: np.ndarray
    constant: float


def as_given(problem: NetworkSelection) -> Separable:
    """Give the objective of a separable problem itself, but for rounding."""
    blocks = tuple(problem.form.block(g) for g in range(problem.count))
    return Separable(blocks, problem.q, problem.constant - scoring_error(problem))


@dataclass(frozen=True, eq=False)
class Split:
    """Q = share·(its blocks) + R, with R + shift·I proven positive semidefinite.

    For binary z, z_i² = z_i: the shift is taken back from the linear term. What is
    convex in R lies above its tangent at any point.
    """

    problem: NetworkSelection
    blocks: tuple[np.ndarray, ...]
    rest: np.ndarray
    shift: float
    error: float

    def tangent_at(self, point: np.ndarray) -> Separable:
        """Give the separable minorant that touches R's part at a point (n,) in [0, 1].

        zᵀRz + shift·1ᵀz ≥ (2(R + shift·I)y)ᵀz - yᵀ(R + shift·I)y. O(n²).
        """
        product = self.rest @ point + self.shift * point
        linear = self.problem.q - self.shift + 2.0 * product
        size = float((np.abs(self.rest) @ np.abs(point)).sum())
        size += self.shift * (len(point) + float(np.abs(point).sum()))
        size += float(np.abs(self.problem.q).sum())
        slack = self.error + 8.0 * gamma(self.problem.n + 8) * size
        constant = self.problem.constant - float(point @ product) - slack
        return Separable(self.blocks, linear, constant)


def split(problem: NetworkSelection, share: float) -> Split:
    """Leave a share of the blocks to the groups and make the rest convex; O(n³)."""
    rest = problem.form.dense().copy()
    blocks = []
    for g, own in enumerate(problem.members):
        block = share * problem.form.block(g)
        blocks.append(block)
        rest[np.ix_(own, own)] -= block
    shift = max(0.0, -eigenvalue_floor(rest))
    # What is taken off the rest is added to the blocks up to rounding.
    return Split(problem, tuple(blocks), rest, shift, 2.0 * scoring_error(problem))
