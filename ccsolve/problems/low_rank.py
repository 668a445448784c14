"""LowRankFit: a tensor by one of bounded ranks, in a norm; the projection of ADMM."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.exact_factors import exact_factors, zero_factors
from ccsolve.problems.low_rank_requests import (
    budget_limit,
    ceilings,
    checked_costs,
    checked_modes,
    checked_ranks,
    checked_tensor,
    checked_tolerance,
    checked_whole,
    floors,
    is_narrow,
    require_affordable,
    require_one,
    widened,
)
from ccsolve.problems.mode_covariance import (
    ModeBlock,
    checked_covariance,
    mode_blocks,
)
from ccsolve.problems.records import reduced
from ccsolve.problems.slabs import squared_distance
from ccsolve.problems.tensor_formats import (
    Factors,
    Modes,
    Ranks,
    bonds,
    checked_factors,
    entries,
    factor_shapes,
    fitting_ranks,
    halves,
    ranks_of,
)

ROUNDING = 1e-13
"""Relative errors this close to the tolerance are within it."""

Asks = Literal["ranks", "tolerance", "budget"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class LowRankFit:
    """Minimise ½‖(T - Z)C^½‖² over tensors Z of bounded ranks, or the cost of a Z.

    A point x is the list of Z's factors, in the type of T:

    - "svd": [L (m_1, r), R (r, m_2)], Z = LR;
    - "tucker": [core (r_1..r_d), U_1 (m_1, r_1), ..., U_d (m_d, r_d)];
    - "tt": [G_1 (1, m_1, r_1), ..., G_d (r_{d-1}, m_d, 1)], a tensor train;
    - "tr": [G_1 (r_0, m_1, r_1), ..., G_d (r_{d-1}, m_d, r_0)], a tensor ring.

    What is asked is one of three: the best Z of given ``ranks``; the cheapest Z within
    a ``tolerance``, where the objective is the cost, Σ costs·entries of the factors;
    or the best Z that a ``budget`` of that cost allows. It is the projection of ADMM-TT
    (Yin et al., CVPR 2021), with the ranks chosen by a program.

    Parameters
    ----------
    tensor : float32 or float64 of any shape; others become float64, and so does float32
        that is so large or small that its squares leave the range. Copied, unless it is
        contiguous and read-only: ``tensor.setflags(write=False)`` saves a copy.
    format : "svd", "tucker", "tt" or "tr".
    modes : the shape as which the tensor is read, in row-major order; by default its
        own, of "svd" its first axis against the rest.
    ranks : one for each bond ("tt": d - 1, "tr": d with r_0 first, "tucker": d, or the
        two of the outer modes), or one number for all, clipped to their full ranks.
        Ranks that the neighbours leave no room for are lowered.
    tolerance : largest ‖(T - Z)C^½‖/‖T C^½‖, in [0, 1).
    budget : largest cost: an int is an amount, a float in (0, 1] that part of the dense
        tensor's.
    covariance : C, (p, p) positive semidefinite on the trailing modes whose product is
        p, or a list of one (m_k, m_k) matrix or None for each mode, their Kronecker
        product.
    costs : what one entry of each factor costs; 1 by default, which counts parameters.
    whole : modes of a "tucker" core that are not compressed, whose matrices are part of
        the core and cost nothing. By default those between the first and the last
        (Tucker-2) where two ranks or none are given, else none.

    Raises
    ------
    InvalidProblem
        For NaN, an empty tensor, modes that do not multiply to its size, ranks outside
        1..full, asymmetric or indefinite covariances, none or several of the three.
    Infeasible
        Ranks of 1 cost more than the budget.

    Examples
    --------
    >>> import numpy as np
    >>> problem = LowRankFit(np.diag([3.0, 2.0, 1.0]), "svd", ranks=2)
    >>> problem.objective([np.eye(3)[:, :2], np.diag([3.0, 2.0, 1.0])[:2]])
    0.5
    """

    tensor: np.ndarray
    format: str
    modes: Modes
    ranks: Ranks | None
    tolerance: float | None
    budget: float | int | None
    covariance: np.ndarray | tuple[np.ndarray | None, ...] | None
    costs: np.ndarray
    whole: Ranks

    def __init__(
        self,
        tensor: Any,
        format: str = "tt",
        modes: Any = None,
        ranks: Any = None,
        tolerance: float | None = None,
        budget: float | None = None,
        covariance: Any = None,
        *,
        costs: Any = None,
        whole: Any = None,
    ) -> None:
        require_one(ranks, tolerance, budget)
        tensor = checked_tensor(tensor)
        modes = checked_modes(format, tensor.shape, modes)
        whole = checked_whole(format, modes, whole, ranks)
        if ranks is not None:
            ranks = checked_ranks(format, modes, ranks, whole)
        if tolerance is not None:
            tolerance = checked_tolerance(tolerance)
        factors = len(factor_shapes(format, modes, (1,) * bonds(format, modes)))
        fields = {
            "tensor": tensor.reshape(modes),
            "format": format,
            "modes": modes,
            "ranks": ranks,
            "tolerance": tolerance,
            "budget": budget,
            "covariance": checked_covariance(covariance, modes),
            "costs": checked_costs(factors, costs),
            "whole": whole,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        # Definiteness is checked by taking roots; a user wants to hear of it here.
        _ = self.blocks
        if self.blocks and not is_narrow(self.energy):
            object.__setattr__(self, "tensor", widened(self.tensor))
        if budget is not None:
            require_affordable(self.cost_of(self.least_ranks), self.limit, budget)

    __reduce__ = reduced

    def __repr__(self) -> str:
        norm = ", covariance" if self.blocks else ""
        asked = f"{self.asks}={getattr(self, self.asks)}"
        return f"LowRankFit({self.format!r}, modes={self.modes}, {asked}{norm})"

    @property
    def asks(self) -> Asks:
        """What is given: "ranks", "tolerance" or "budget"."""
        if self.ranks is not None:
            return "ranks"
        return "tolerance" if self.tolerance is not None else "budget"

    @property
    def n(self) -> int:
        """Number of factors."""
        return self.costs.size

    @cached_property
    def blocks(self) -> tuple[ModeBlock, ...]:
        """The covariance by runs of modes, in order, each with its root."""
        return mode_blocks(self.covariance, self.modes)

    @cached_property
    def limit(self) -> float:
        """The cost that the budget allows; inf without one."""
        if self.budget is None:
            return math.inf
        return budget_limit(self.budget, self.tensor.size, self.costs)

    @property
    def full_ranks(self) -> Ranks:
        """The ranks with which every tensor can be held; of whole modes their size."""
        return ceilings(self.format, self.modes, self.whole)

    @property
    def least_ranks(self) -> Ranks:
        """Ranks of 1; of whole modes their size."""
        return floors(self.format, self.modes, self.whole)

    @cached_property
    def energy(self) -> float:
        """½‖T C^½‖², what Z = 0 costs."""
        return 0.5 * squared_distance(self.tensor, None, self.blocks)

    @property
    def data_scale(self) -> float:
        """½‖T C^½‖²; with a tolerance the cost of the dense tensor."""
        if self.asks == "tolerance":
            return float(self.tensor.size * self.costs.max())
        return self.energy

    @property
    def resolution(self) -> float:
        """1e-12·n·s with s the data scale: smaller differences are rounding."""
        return 1e-12 * self.n * self.data_scale

    def with_ranks(self, ranks: Sequence[int]) -> "LowRankFit":
        """Give the same fit with these ranks given, lowered to what they can be."""
        most = map(min, ranks, self.full_ranks)
        fitting = fitting_ranks(self.format, self.modes, tuple(most), self.whole)
        asked = {"ranks": fitting, "tolerance": None, "budget": None, "limit": math.inf}
        fit = object.__new__(LowRankFit)
        # Everything else was checked, and what was computed of it stays.
        fit.__dict__.update(self.__dict__ | asked)
        return fit

    def cost_of(self, ranks: Ranks) -> float:
        """Give Σ costs·entries of factors of these ranks; whole modes keep theirs."""
        kept = [self.modes[k] if k in self.whole else r for k, r in enumerate(ranks)]
        counts = entries(self.format, self.modes, tuple(kept), self.whole)
        return float(self.costs @ np.array(counts, dtype=np.float64))

    def distance(self, x: Factors) -> float:
        """Give ½‖(T - Z)C^½‖² in float64, a slab at a time; O(N·(r + Σp))."""
        # In float32 the products of factors are tensors of rounding beside Z.
        factors = [factor.astype(np.float64) for factor in self._factors(x)]
        cut = halves(self.format, factors, self.modes)
        return 0.5 * squared_distance(self.tensor, cut, self.blocks)

    def error(self, x: Factors) -> float:
        """Give ‖(T - Z)C^½‖/‖T C^½‖; of zero, 0 where Z costs nothing, else inf."""
        distance = self.distance(x)
        if self.energy == 0:
            return 0.0 if distance == 0 else math.inf
        return math.sqrt(distance / self.energy)

    def objective(self, x: Factors, /) -> float:
        """Give ½‖(T - Z)C^½‖²; with a tolerance Σ costs·entries."""
        if self.asks == "tolerance":
            return self.cost_of(ranks_of(self.format, self._factors(x)))
        return self.distance(x)

    def violation(self, x: Factors, /) -> float:
        """Give how far the factors are from feasible, 0 if they are.

        The largest excess of a rank; of the error over the tolerance; or of the cost
        over the budget, in units of the cheapest entry. inf for what is not finite.
        """
        factors = self._factors(x)
        if not all(np.isfinite(factor).all() for factor in factors):
            return math.inf
        ranks = ranks_of(self.format, factors)
        if self.ranks is not None:
            excess = max(
                (a - b for a, b in zip(ranks, self.ranks, strict=True)), default=0
            )
        elif self.tolerance is not None:
            excess = self.error(factors) - self.tolerance - ROUNDING
        else:
            excess = (self.cost_of(ranks) - self.limit) / float(self.costs.min())
        return float(max(0.0, excess))

    def _factors(self, x: Any) -> list[np.ndarray]:
        if not isinstance(x, Sequence):
            raise InvalidProblem(
                f"the point is a {type(x).__name__}; expected a list of factors"
            )
        return checked_factors(self.format, self.modes, x)

    def feasible_point(self) -> list[np.ndarray]:
        """Give zero, or with a tolerance the tensor itself: no search; O(N)."""
        if self.asks == "tolerance" and self.energy > 0:
            return exact_factors(self.format, self.tensor, self.whole)
        return zero_factors(self.format, self.modes, self.tensor.dtype, self.whole)

    def natural_scale(self) -> float:
        """Give the objective of that point: what no compression, or no fit, costs."""
        if self.asks == "tolerance":
            return self.objective(self.feasible_point())
        return self.energy
