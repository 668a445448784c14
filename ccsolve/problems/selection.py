"""ChannelSelection: which channels to keep, as a binary quadratic program."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.checks import (
    LARGEST,
    frozen,
    real_array,
    real_number,
    whole_number,
)
from ccsolve.problems.constraints import (
    budget_limit,
    checked_budget,
    checked_fixings,
    require_a_feasible_point,
)
from ccsolve.problems.quadratic_form import (
    NO_MATRIX,
    NO_VECTOR,
    QuadraticArrays,
    quadratic_form,
)
from ccsolve.problems.records import reduced
from ccsolve.problems.removal import removal_form

DENSE_LIMIT = 20_000
"""Largest n for which a factored Q is formed: 3.2 GB of float64."""


@dataclass(frozen=True, eq=False, init=False, repr=False)
class ChannelSelection:
    """Minimise zᵀQz + qᵀz + constant over z ∈ {0, 1}ⁿ; z_i = 1 keeps channel i.

    Constraints, each optional: 1ᵀz = keep; costᵀz ≤ budget; z_i = fixed_i where
    ``fixed_i`` is 0 or 1. Without ``keep`` and ``budget`` this is a QUBO.

    The quadratic form is dense, ``Q`` (n, n) symmetric, or factored,
    Q = factorᵀ·factor + diag(diagonal) with ``factor`` (m, n), and then never formed: a
    product costs O(mn) instead of O(n²). Arrays are copied to float64 and read-only.

    The program is the layer-wise subproblem of Collaborative Channel Pruning (Peng et
    al., ICML 2019); `from_removal` builds it from a Taylor model of the loss.

    Parameters
    ----------
    Q : (n, n) array, optional
        Symmetric; instead of ``factor``.
    q : (n,) array, optional
        Linear term, zero by default.
    keep : int, optional
        The number of channels to keep, 0..n.
    constant : float
        Added to the objective, so that it reads as a loss.
    factor : (m, n) array, optional
    diagonal : (n,) array, optional
        Only with ``factor``; zero by default.
    cost : (n,) array, optional
        Non-negative; with ``budget``.
    budget : float, optional
        What the kept channels may cost. It holds to 1e-12·n·max(cost), for rounding.
    fixed : (n,) array, optional
        Entries -1 (free), 0 (removed) or 1 (kept).

    Raises
    ------
    InvalidProblem
        For NaN, wrong shapes, asymmetric Q, keep outside [0, n], negative costs, ...
    Infeasible
        When no point satisfies keep, budget and fixings together.
    """

    Q: np.ndarray | None
    q: np.ndarray
    keep: int | None
    constant: float
    factor: np.ndarray | None
    diagonal: np.ndarray | None
    cost: np.ndarray | None
    budget: float | None
    fixed: np.ndarray | None

    def __init__(
        self,
        Q: Any = None,
        q: Any = None,
        keep: int | None = None,
        constant: float = 0.0,
        *,
        factor: Any = None,
        diagonal: Any = None,
        cost: Any = None,
        budget: float | None = None,
        fixed: Any = None,
    ) -> None:
        Q, factor, diagonal, n = quadratic_form(Q, factor, diagonal)
        cost, budget = checked_budget(cost, budget, n)
        fields = {
            "Q": Q,
            "q": frozen(np.zeros(n)) if q is None else real_array("q", q, (n,)),
            "keep": None if keep is None else whole_number("keep", keep, 0, n),
            "constant": real_number("constant", constant),
            "factor": factor,
            "diagonal": diagonal,
            "cost": cost,
            "budget": budget,
            "fixed": checked_fixings(fixed, n),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        require_a_feasible_point(n, self.keep, cost, budget, self.fixed)
        if self.fixed is not None:
            _require_room_for_sums(self)

    @classmethod
    def from_removal(
        cls,
        hessian: Any = None,
        gradient: Any = None,
        keep: int | None = None,
        *,
        factor: Any = None,
        diagonal: Any = None,
        damping: float = 0.0,
        first_order: float = 1.0,
        cost: Any = None,
        budget: float | None = None,
        fixed: Any = None,
    ) -> "ChannelSelection":
        """Build the program from a second-order model of what removal does to the loss.

        With u = 1 - z the removed channels, H = hessian + damping·I, μ = first_order,
        ΔL(u) = -μ·gᵀu + ½·uᵀHu, hence Q = ½H, q = μ·g - H1 and
        constant = ½·1ᵀH1 - μ·gᵀ1: the objective is the predicted rise of the loss.

        Parameters
        ----------
        hessian : (n, n) array, or ``factor`` (m, n) and ``diagonal`` (n,) with
            H = factorᵀ·factor + diag(diagonal)
        gradient : (n,) array, optional
            Mean derivative of the loss in each channel's gate, at gate 1.
        damping : float
            Added to the diagonal of H, in the units of H.
        first_order : float
            Weight μ of the gradient; near a minimum its full weight does harm.
        """
        form = removal_form(hessian, gradient, factor, diagonal, damping, first_order)
        return cls(**form, keep=keep, cost=cost, budget=budget, fixed=fixed)

    __reduce__ = reduced

    def __repr__(self) -> str:
        form = "dense" if self.Q is not None else f"factor m={self.rank}"
        budget = "" if self.budget is None else f", budget={self.budget:g}"
        fixed = "" if self.fixed is None else f", {(self.fixed >= 0).sum()} fixed"
        return f"ChannelSelection(n={self.n}, {form}, keep={self.keep}{budget}{fixed})"

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.q.shape[0]

    @property
    def is_factored(self) -> bool:
        """Whether Q is given as factorᵀ·factor + diag(diagonal)."""
        return self.factor is not None

    @property
    def rank(self) -> int:
        """Rows of the factor; n for a dense form."""
        return self.n if self.factor is None else self.factor.shape[0]

    @property
    def budget_limit(self) -> float:
        """The budget with its rounding slack; inf without a budget."""
        return budget_limit(self.cost, self.budget)

    @property
    def data_scale(self) -> float:
        """The largest absolute datum of the objective.

        Factored: of the diagonal and of factorᵀ·factor, whose largest entry is on its
        diagonal; a negative diagonal must not hide how large the entries are.
        """
        if self.Q is not None:
            largest = float(np.abs(self.Q).max(initial=0.0))
        else:
            assert self.factor is not None and self.diagonal is not None
            squares = np.einsum("ij,ij->j", self.factor, self.factor)
            largest = float(squares.max(initial=0.0))
            largest = max(largest, float(np.abs(self.diagonal).max(initial=0.0)))
        return max(largest, float(np.abs(self.q).max(initial=0.0)), abs(self.constant))

    @property
    def resolution(self) -> float:
        """1e-12·n·s with s the data scale: smaller differences are rounding."""
        return 1e-12 * self.n * self.data_scale

    def diagonal_of_Q(self) -> np.ndarray:
        """Give Q_ii, (n,)."""
        if self.factor is None:
            assert self.Q is not None
            return np.diagonal(self.Q).copy()
        assert self.diagonal is not None
        return np.einsum("ij,ij->j", self.factor, self.factor) + self.diagonal

    def multiply(self, vectors: np.ndarray) -> np.ndarray:
        """Give Q·vectors for (n,) or (n, r): O(n²r) dense, O(mnr) factored."""
        if self.factor is None:
            assert self.Q is not None
            return self.Q @ vectors
        assert self.diagonal is not None
        scaled = (self.diagonal * vectors.T).T
        return self.factor.T @ (self.factor @ vectors) + scaled

    def dense(self) -> np.ndarray:
        """Give Q as an (n, n) array, formed where it is factored.

        Raises
        ------
        Unsupported
            When a factored Q of more than ``DENSE_LIMIT`` channels would be formed.
        """
        if self.factor is None:
            assert self.Q is not None
            return self.Q
        if self.n > DENSE_LIMIT:
            raise Unsupported(
                f"n = {self.n}: a dense Q would take {8e-9 * self.n**2:.1f} GB (limit "
                f"n = {DENSE_LIMIT}); use a method that works on the factor"
            )
        assert self.diagonal is not None
        return self.factor.T @ self.factor + np.diag(self.diagonal)

    def arrays(self) -> QuadraticArrays:
        """Give the quadratic form as the kernels take it; nothing is copied."""
        if self.factor is None:
            assert self.Q is not None
            return QuadraticArrays(self.Q, NO_MATRIX, NO_VECTOR, self.q)
        assert self.diagonal is not None
        return QuadraticArrays(NO_MATRIX, self.factor.T, self.diagonal, self.q)

    def objective(self, z: np.ndarray, /) -> float:
        """Give zᵀQz + qᵀz + constant for one point (n,), binary or not."""
        z = np.asarray(z, dtype=np.float64)
        if self.factor is None:
            quadratic = z @ (self.Q @ z)
        else:
            image = self.factor @ z
            quadratic = image @ image + self.diagonal @ (z * z)
        return float(quadratic + self.q @ z + self.constant)

    def violation(self, z: np.ndarray, /) -> float:
        """Give how far the point is from feasible, 0 if it satisfies everything.

        The largest of: distance to binary, |1ᵀz - keep|, cost above the budget in units
        of the dearest channel, distance to the fixings. InvalidProblem for a point of
        another shape.
        """
        z = np.asarray(z, dtype=np.float64)
        if z.shape != (self.n,):
            raise InvalidProblem(f"the point has shape {z.shape}; expected ({self.n},)")
        excess = [float(np.abs(z - np.round(np.clip(z, 0, 1))).max(initial=0.0))]
        if self.keep is not None:
            excess.append(abs(float(z.sum()) - self.keep))
        if self.cost is not None:
            excess.append(self._overspent(float(self.cost @ z)))
        if self.fixed is not None:
            held = self.fixed >= 0
            excess.append(float(np.abs(z - self.fixed)[held].max(initial=0.0)))
        return max(excess)

    def _overspent(self, spent: float) -> float:
        if self.cost is None or self.budget is None or spent <= self.budget_limit:
            return 0.0
        return (spent - self.budget) / float(self.cost.max())


def _require_room_for_sums(problem: ChannelSelection) -> None:
    """Refuse data that are accepted, but whose sums over fixed channels are not."""
    largest = LARGEST / (2.0 * (problem.n + 1) ** 2)
    if problem.data_scale > largest:
        raise InvalidProblem(
            f"the data are up to {problem.data_scale:g} in size; expected at most "
            f"{largest:g} with fixings, which add them up; rescale the problem"
        )
