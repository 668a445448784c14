"""The program over products with X = VVᵀ: unit rows u_i, v_i = ½(e₁ + u_i).

For z ∈ {0, 1}ⁿ, zᵀQz + qᵀz = ⟨C, zzᵀ⟩ with C = Q + Diag(q). With V (n, r) for z and
v_i = ½(e₁ + u_i), ‖u_i‖ = 1, the matrix X = VVᵀ has X_ii = x_i = (V e₁)_i, so that the
lifted matrix (e₁, V)(e₁, V)ᵀ is feasible; Σu_i = (2·keep - n)e₁ gives Σv_i = keep·e₁,
hence Xe = keep·diag X: the products of the cardinality. Every feasible X of rank r - 1
is of this form (Burer and Monteiro, Math. Programming 95, 2003, for the idea).
"""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.linalg.rounding import TINY, gamma
from ccsolve.linalg.spectrum import frobenius_norm
from ccsolve.problems import ChannelSelection

FORMED_ROWS = 0.5
"""Part of n from which on a factor's rows make FᵀF the cheaper of the two."""


@dataclass(frozen=True, eq=False)
class LowRankProgram:
    """Minimise scale·⟨C, VVᵀ⟩ + constant, C·scale = ``matrix`` + Diag(``linear``).

    Attributes
    ----------
    matrix, factor : (n, n) or (m, n), FᵀF standing for the matrix; one of them.
    linear : (n,) what is on the diagonal beside it.
    scale : the largest datum, a power of 2; the descent works in its units.
    keep, most : the cardinality, None where it is free, and what it cannot exceed.
    cost, limit, unit : what the rows of X may cost, in units of about the dearest; an
        infinite limit for no budget.
    error : how far, in the Frobenius norm, a formed FᵀF can be from the exact one.
    """

    matrix: np.ndarray | None
    factor: np.ndarray | None
    linear: np.ndarray
    scale: float
    constant: float
    keep: int | None
    most: int
    cost: np.ndarray
    limit: float
    unit: float
    error: float

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.linear.size

    @property
    def total(self) -> float | None:
        """What the rows u_i add up to along e₁; None where that is free."""
        return None if self.keep is None else float(2 * self.keep - self.n)

    @property
    def diagonal(self) -> np.ndarray:
        """The diagonal of C, (n,)."""
        if self.factor is not None:
            own = np.einsum("ij,ij->j", self.factor, self.factor)
        else:
            assert self.matrix is not None
            own = np.diagonal(self.matrix)
        return (own + self.linear) / self.scale

    def product(self, V: np.ndarray) -> np.ndarray:
        """Give CV, (n, r); O(n²r), O(mnr) factored."""
        if self.factor is not None:
            plain = self.factor.T @ (self.factor @ V)
        else:
            plain = self.matrix @ V
        plain += self.linear[:, None] * V
        plain /= self.scale
        return plain


def low_rank_program(
    problem: ChannelSelection, formed: np.ndarray | None
) -> LowRankProgram:
    """Give the program; ``formed`` is Q where somebody has formed it.

    Nothing of size n² is copied.
    """
    matrix, factor, linear = problem.Q, None, problem.q
    if problem.factor is not None and problem.diagonal is not None:
        few = problem.rank < FORMED_ROWS * problem.n
        keeps_factor = few or formed is None
        matrix, factor = (None, problem.factor) if keeps_factor else (formed, None)
        linear = problem.q if factor is None else problem.q + problem.diagonal
    cost, limit, unit = _budget(problem)
    scale = max(problem.data_scale, 1e-290)
    return LowRankProgram(
        matrix=matrix,
        factor=factor,
        linear=linear,
        scale=2.0 ** math.frexp(scale)[1],
        constant=problem.constant,
        keep=problem.keep,
        most=_most(cost, limit) if problem.keep is None else problem.keep,
        cost=cost,
        limit=limit,
        unit=unit,
        error=_forming_error(problem),
    )


def halves(U: np.ndarray) -> np.ndarray:
    """Give V = ½(1e₁ᵀ + U)."""
    V = 0.5 * U
    V[:, 0] += 0.5
    return V


def typical_entry(program: LowRankProgram, samples: int = 64, seed: int = 0) -> float:
    """Give the root mean square of the entries of C, estimated by random signs.

    ‖Cs‖² has the mean ‖C‖_F² over random signs s.
    """
    rng = np.random.default_rng(seed)
    signs = rng.choice((-1.0, 1.0), (program.n, samples))
    mean = float(np.square(program.product(signs)).mean()) / program.n
    return max(math.sqrt(mean), 1e-12)


def _most(cost: np.ndarray, limit: float) -> int:
    """Give how many channels can be afforded together, at most."""
    spent = np.cumsum(np.sort(cost)) * (1.0 - gamma(cost.size + 4))
    return int((spent <= limit).sum())


def _forming_error(problem: ChannelSelection) -> float:
    if problem.factor is None:
        return 0.0
    rows, n = problem.factor.shape
    underflow = (rows + 4.0) * n * n * TINY
    return gamma(rows + 4) * frobenius_norm(problem.factor) ** 2 + underflow


def _budget(problem: ChannelSelection) -> tuple[np.ndarray, float, float]:
    if problem.cost is None or not problem.cost.any():
        return np.zeros(problem.n), math.inf, 1.0
    # Costs are added in floating point where a point is tested.
    limit = problem.budget_limit * (1.0 + 4.0 * gamma(problem.n + 4))
    unit = 2.0 ** math.frexp(float(problem.cost.max()))[1]
    return problem.cost / unit, limit / unit, unit
