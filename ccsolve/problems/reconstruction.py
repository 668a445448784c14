"""ReconstructionSelection: which input channels to keep when the rest is refitted."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import (
    frozen,
    real_array,
    real_number,
    symmetric_matrix,
    whole_number,
)
from ccsolve.problems.layer_error import layer_form
from ccsolve.problems.least_squares import LeastSquares, least_squares
from ccsolve.problems.output_weights import checked_weights
from ccsolve.problems.records import reduced

_FEW, _SMALL = 2, 600
"""Random points of `natural_scale` where more than 600 columns are kept, else 16."""


@dataclass(frozen=True, eq=False, init=False, repr=False)
class ReconstructionSelection:
    """Minimise ½tr(M WᵀHW) - tr(M GᵀW) + constant over W and ``keep`` of n channels.

    W (d, n_out) is zero outside the columns of the kept channels; channel j has the
    ``group`` columns from j·group on, d = n·group. A point x (n,) marks the kept
    channels, its objective is that of the best W, with S their columns

        constant - ½tr(M G_Sᵀ H_SS⁻¹ G_S),    W_S = H_SS⁻¹ G_S,

    which falls as channels are added. W is the same for every M: the weights move only
    the choice. Channel Pruning (He et al., ICCV 2017), CPLI (Guo et al., AAAI 2020, M =
    its importance of the outputs) and OSSCAR (Meng et al., ICML 2024) solve it by
    heuristics. Arrays are copied to float64 and read-only.

    Where H is singular to working precision, H_SS⁻¹ is that of a slightly ridged
    problem: see `LeastSquares`. G must lie in the range of H, to 1e-5 of its norm, and
    what sticks out is projected away; without that there is no minimum.

    Parameters
    ----------
    moments : (d, d) array
        H, symmetric positive semidefinite: E[xxᵀ] of the inputs, centred, plus a ridge.
    cross : (d, n_out) array
        G: E[xyᵀ] with the outputs y wanted, plus the ridge times the dense weights.
    keep : int
        The number of channels to keep, 0..n.
    group : int
        Columns per channel; it divides d.
    weights : (n_out,) or (n_out, n_out) array, optional
        M, non-negative or positive semidefinite; the identity by default.
    constant : float
        Added to the objective, so that it reads as an error.

    Raises
    ------
    InvalidProblem
        For NaN, wrong shapes, asymmetric or indefinite H or M, d no multiple of the
        group, keep outside [0, n], G outside the range of H.
    """

    moments: np.ndarray
    cross: np.ndarray
    keep: int
    group: int
    weights: np.ndarray | None
    constant: float

    def __init__(
        self,
        moments: Any,
        cross: Any,
        keep: int,
        group: int = 1,
        weights: Any = None,
        constant: float = 0.0,
    ) -> None:
        moments = symmetric_matrix("moments", moments)
        d = moments.shape[0]
        cross = real_array("cross", cross, (d, None))
        group = whole_number("group", group, 1, max(1, d))
        if d % group:
            raise InvalidProblem(
                f"moments has {d} columns; expected a multiple of group = {group}"
            )
        fields = {
            "moments": moments,
            "cross": cross,
            "keep": whole_number("keep", keep, 0, d // group),
            "group": group,
            "weights": checked_weights(weights, cross.shape[1]),
            "constant": real_number("constant", constant),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        # Definiteness is checked by making the form; a user wants to hear of it here.
        _ = self.form

    @classmethod
    def from_layer(
        cls,
        moments: Any,
        dense: Any,
        keep: int,
        *,
        group: int = 1,
        cross: Any = None,
        target: Any = None,
        weights: Any = None,
        ridge: float = 0.0,
    ) -> "ReconstructionSelection":
        """Build the program from a layer's moments and its dense weights W₀.

        With λ = ridge·mean(diag E[xxᵀ]), H = E[xxᵀ] + λI, G = E[xyᵀ] + λW₀: the ridge
        pulls to the dense weights. Where y = W₀ᵀx, keeping all channels returns them,
        and the objective is the error made,

            ½E‖y - Wᵀx‖²_M + ½λ‖W - W₀‖²_M ≥ 0.

        Parameters
        ----------
        moments : (d, d) array
            E[xxᵀ], centred where the layer has a bias to absorb the means.
        dense : (d, n_out) array
        cross : (d, n_out) array, optional
            E[xyᵀ] where y is not W₀ᵀx: inputs x of a network that is already smaller.
        target : (n_out, n_out) array, optional
            E[yyᵀ], with ``cross``. Where it is not given, the constant is such that
            keeping all costs 0, one solution of d equations.
        ridge : float
            In units of the mean diagonal of the moments; 1e-3 is a good start.
        """
        H, G, M, constant = layer_form(moments, dense, cross, target, weights, ridge)
        problem = cls(H, G, keep, group, M, 0.0 if constant is None else constant)
        if constant is not None:
            return problem
        gain = -problem.objective(np.ones(problem.n, dtype=bool))
        return cls(H, G, keep, group, M, gain)

    __reduce__ = reduced

    def __repr__(self) -> str:
        return (
            f"ReconstructionSelection(n={self.n}, group={self.group}, "
            f"outputs={self.n_out}, keep={self.keep})"
        )

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.moments.shape[0] // self.group

    @property
    def d(self) -> int:
        """Number of columns."""
        return self.moments.shape[0]

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.cross.shape[1]

    @cached_property
    def form(self) -> LeastSquares:
        """The program with scaled columns and without M, as the methods take it."""
        return least_squares(self.moments, self.cross, self.weights)

    @property
    def data_scale(self) -> float:
        """The larger of abs(constant) and of what the best single channel gains."""
        return max(abs(self.constant), float(self.single_gains.max(initial=0.0)))

    @property
    def resolution(self) -> float:
        """1e-12·n·s with s the data scale: smaller differences are rounding."""
        return 1e-12 * self.n * self.data_scale

    @cached_property
    def single_gains(self) -> np.ndarray:
        """½tr(C_jᵀ H_jj⁻¹ C_j), (n,): what channel j gains on its own; O(ndr)."""
        H, C = self.form.H, self.form.C
        columns = np.arange(self.d).reshape(self.n, self.group)
        blocks, parts = H[columns[:, :, None], columns[:, None, :]], C[columns]
        return frozen(0.5 * (parts * np.linalg.solve(blocks, parts)).sum(axis=(1, 2)))

    def columns(self, x: np.ndarray) -> np.ndarray:
        """Give the columns of the channels that x keeps, ascending.

        Raises
        ------
        InvalidProblem
            For a point of another shape.
        """
        return np.flatnonzero(np.repeat(self._point(x) > 0.5, self.group))

    def objective(self, x: np.ndarray, /) -> float:
        """Give the least value with the channels that x keeps; O(k³ + k²r), k columns.

        The value is that of the weights found, to second order in their rounding.
        """
        kept = self.columns(x)
        H, C = self.form.H[np.ix_(kept, kept)], self.form.C[kept]
        W = np.linalg.solve(H, C)
        gain = 0.5 * float((W * C).sum() + (W * (C - H @ W)).sum())
        return self.constant + self.form.offset - gain

    def refit(self, x: np.ndarray) -> np.ndarray:
        """Give the best weights of the channels that x keeps, (d, n_out); O(k³)."""
        kept = self.columns(x)
        form, W = self.form, np.zeros((self.d, self.n_out))
        fitted = np.linalg.solve(form.H[np.ix_(kept, kept)], form.G[kept])
        W[kept] = form.scale[kept, None] * fitted
        return W

    def violation(self, x: np.ndarray, /) -> float:
        """Give how far the point is from feasible, 0 if it is.

        The larger of the distance to binary and |1ᵀx - keep|.
        """
        x = self._point(x)
        binary = float(np.abs(x - np.round(np.clip(x, 0, 1))).max(initial=0.0))
        return max(binary, abs(float(x.sum()) - self.keep))

    def _point(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.shape != (self.n,):
            raise InvalidProblem(f"the point has shape {x.shape}; expected ({self.n},)")
        return x

    def feasible_point(self) -> np.ndarray:
        """Give the channels that gain most on their own, (n,) bool; O(ndr)."""
        x = np.zeros(self.n, dtype=bool)
        x[np.argsort(-self.single_gains, kind="stable")[: self.keep]] = True
        return x

    def random_point(self, rng: np.random.Generator) -> np.ndarray:
        """Give ``keep`` channels drawn alike, (n,) bool."""
        x = np.zeros(self.n, dtype=bool)
        x[rng.permutation(self.n)[: self.keep]] = True
        return x

    def natural_scale(self) -> float:
        """Give the mean |objective| of a few random feasible points; seeded."""
        rng = np.random.default_rng(0)
        count = 16 if self.keep * self.group <= _SMALL else _FEW
        values = [self.objective(self.random_point(rng)) for _ in range(count)]
        return float(np.abs(values).mean())
