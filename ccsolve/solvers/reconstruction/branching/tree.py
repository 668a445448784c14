"""A tree over the channels that go, with bounds that hold in exact arithmetic."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ccsolve.kernels.leaps import NEVER, Levels, explore, open_root
from ccsolve.linalg.minorant import block_minorant
from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.linalg.spectrum import eigenvalue_floor
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import frozen
from ccsolve.solvers.reconstruction.relaxing.all_kept import (
    all_kept_bound,
    residual,
)

_ROUNDS = 4
"""Enlargements of the separable part that the sums of its bound use."""

BETTER = 1e-9
"""Part of its rise by which a point must fall below the record to count as better."""


@dataclass(frozen=True, eq=False)
class Tree:
    """The search for the n - keep channels whose loss is least.

    Attributes
    ----------
    all_kept : the objective with all channels, less what rounding may have added
    relative, residual : a rise r is off by relative·r + residual·√(2r) + residual²
    """

    levels: Levels
    B: np.ndarray
    all_kept: float
    relative: float
    residual: float

    def grow(self, nodes: int) -> bool:
        """Visit that many nodes; say whether some are left."""
        return self._explored(nodes) < NEVER

    def _explored(self, nodes: int) -> float:
        return explore(self.B, self.levels, nodes)

    def bound(self) -> float:
        """Give a proven lower bound of the objective over all feasible points.

        What a node was cut off for is not below the record by more than `BETTER`.
        """
        record = float(self.levels.record[0])
        rise = min(self._explored(0), record * (1.0 - BETTER))
        off = self.relative * rise + self.residual * np.sqrt(2.0 * rise)
        low = self.all_kept + rise - off - self.residual**2
        return low - 4.0 * EPS * (abs(self.all_kept) + rise)

    def best(self) -> np.ndarray | None:
        """Give the channels that the best leaf keeps, (n,) bool; None without one."""
        if self.levels.best[0] < 0:
            return None
        x = np.ones(len(self.B), dtype=bool)
        x[self.levels.best] = False
        return x


def plant(problem: ReconstructionSelection, record: float) -> Tree:
    """Make the tree's root; ``record`` is the objective of the best point known.

    Rounding: taking channels out of (P, E) is Gaussian elimination on a definite matrix
    of unit diagonal, which is exact for entries that are off by γ_m, m its length
    (Higham, Accuracy and Stability, 2002, theorem 10.3), and moves a rise by d times
    that over the least eigenvalue, as a part of it; so do the products in E and the
    inversion of H. The residual C - HV moves it by its norm in H⁻¹: V need not be the
    minimiser for the sum of value and rise to be right.
    """
    H, C = problem.form.H, problem.form.C
    factor = scipy.linalg.cholesky(H, lower=True, check_finite=False)
    P = scipy.linalg.cho_solve((factor, True), np.eye(len(H)), check_finite=False)
    P = 0.5 * (P + P.T)
    V = scipy.linalg.cho_solve((factor, True), C, check_finite=False)
    tree = Tree(
        levels=_levels(problem),
        B=frozen(block_minorant(H, problem.group, _ROUNDS).blocks * (1.0 - 1e-12)),
        all_kept=all_kept_bound(problem, V),
        relative=_relative_error(problem, P, C.shape[1]),
        residual=residual(problem, V, C - H @ V, _least_eigenvalue(H)),
    )
    tree.levels.record[:] = max(record - tree.all_kept, 0.0), BETTER
    open_root(P, V @ V.T, tree.B, tree.levels)
    return tree


def _levels(problem: ReconstructionSelection) -> Levels:
    many, n, d = problem.n - problem.keep, problem.n, problem.d
    return Levels(
        P=np.empty((many, d, d)),
        E=np.empty((many, d, d)),
        blocks=np.zeros((many, n), dtype=np.int64),
        limits=np.zeros((many, n)),
        counts=np.zeros(many, dtype=np.int64),
        nexts=np.zeros(many, dtype=np.int64),
        rises=np.zeros(many),
        removed=np.zeros(many, dtype=np.int64),
        best=np.full(many, -1, dtype=np.int64),
        record=np.zeros(2),
    )


def _relative_error(problem: ReconstructionSelection, P: np.ndarray, r: int) -> float:
    """Bound what rounding changes of a rise, as a part of it, to first order, doubled.

    Units do not matter: P and H are scaled to unit diagonals.
    """
    d, g = problem.d, problem.group
    gone = (problem.n - problem.keep) * g
    removing = 4.0 * gamma(gone + 3 * g + r + 8) / _least_scaled(P)
    inverting = 3.0 * gamma(3 * d + 1) / _least_scaled(problem.form.H)
    return min(1.0, 2.0 * d * (removing + inverting))


def _least_scaled(A: np.ndarray) -> float:
    """Give the least eigenvalue at unit diagonal, less its own rounding; >= 1e-300."""
    roots = np.sqrt(np.diagonal(A))
    least = float(np.linalg.eigvalsh(A / roots / roots[:, None]).min(initial=1.0))
    return max(least - 8.0 * len(A) ** 2 * EPS, 1e-300)


def _least_eigenvalue(H: np.ndarray) -> float:
    return max(eigenvalue_floor(H), 1e-300)
