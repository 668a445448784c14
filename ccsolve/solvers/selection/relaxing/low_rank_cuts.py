"""Cuts on the low-rank program: X ≥ 0 and the budget's products, by multipliers."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ccsolve.solvers.selection.relaxing.low_rank_budget import (
    add_prices,
    move_prices,
)
from ccsolve.solvers.selection.relaxing.low_rank_program import (
    LowRankProgram,
    halves,
    typical_entry,
)

FIRST_WEIGHT, GROWTH, PRICE_GROWTH = 4.0, 1.3, 2.0
"""Weight on violations, in typical entries of C, and its growth where they persist."""

BLOCK = 256
"""Rows of X looked at together: a block of pairs stays in the cache."""


@dataclass(frozen=True, eq=False)
class Penalties:
    """Multipliers of X_ij ≥ 0 and of the budget's products, and weights on violations.

    Attributes
    ----------
    pairs : (n, n) float32 ≥ 0, symmetric with a zero diagonal; None for no such cuts.
    prices : (2, n) ≥ 0 of the budget's products, see `low_rank_budget`; None without a
        budget.
    pair_weight, price_weight : σ of the augmented Lagrangian; 0 holds multipliers.
    """

    pairs: np.ndarray | None
    prices: np.ndarray | None
    pair_weight: float
    price_weight: float

    @property
    def are_none(self) -> bool:
        """Whether there is nothing beside the program itself."""
        return self.pairs is None and self.prices is None

    def held(self) -> "Penalties":
        """Give the linear Lagrangian with these multipliers."""
        return replace(self, pair_weight=0.0, price_weight=0.0)


def no_cuts() -> Penalties:
    """Give no cuts at all."""
    return Penalties(None, None, 0.0, 0.0)


def zero_cuts(program: LowRankProgram, nonnegative: bool) -> Penalties:
    """Give the cuts of a program, all multipliers zero; O(n²).

    The weights are in proportion to the entries of C, which the multipliers have to
    outweigh. A weight by the entries of X, (keep/n)², made small ``keep`` no faster.
    """
    n, typical = program.n, FIRST_WEIGHT * typical_entry(program)
    return Penalties(
        np.zeros((n, n), dtype=np.float32) if nonnegative else None,
        np.zeros((2, n)) if program.limit < math.inf else None,
        typical,
        typical / max(program.limit, 1.0),
    )


def strengthened(cuts: Penalties) -> Penalties:
    """Give the same multipliers with more weight on violations."""
    return replace(
        cuts,
        pair_weight=GROWTH * cuts.pair_weight,
        price_weight=PRICE_GROWTH * cuts.price_weight,
    )


def lagrangian(
    program: LowRankProgram, penalties: Penalties, U: np.ndarray
) -> tuple[float, np.ndarray]:
    """Give the augmented Lagrangian at U and its gradient, (n, r).

    ⟨C, X⟩ + Σ_(i≠j) (max(0, N_ij - σX_ij)² - N_ij²)/2σ for the pairs, the N_ij² left
    out, and alike for the prices; with σ = 0 linear: -⟨N, X⟩. O(n²r).
    """
    V = halves(U)
    G = program.product(V)
    value = float(np.vdot(G, V))
    if penalties.pairs is not None:
        value += _add_pairs(penalties.pairs, penalties.pair_weight, V, G)
    if penalties.prices is not None:
        prices, weight = penalties.prices, penalties.price_weight
        value += add_prices(program, prices, weight, V, G)
    return value, G


def moved(
    program: LowRankProgram, penalties: Penalties, U: np.ndarray
) -> tuple[Penalties, float]:
    """Give the multipliers after a step of the augmented Lagrangian, and the violation.

    N ← max(0, N - σX), in place. The violation is the Frobenius norm of what of X and
    of the budget's rows is of the wrong sign.
    """
    V, violation, prices = halves(U), 0.0, penalties.prices
    if penalties.pairs is not None:
        violation += _move_pairs(penalties.pairs, penalties.pair_weight, V)
    if prices is not None:
        prices, excess = move_prices(program, prices, penalties.price_weight, V)
        violation += excess
    return replace(penalties, prices=prices), math.sqrt(violation)


def _blocks(n: int) -> list[tuple[slice, slice]]:
    """Give the blocks on and above the diagonal."""
    cuts = [slice(a, min(a + BLOCK, n)) for a in range(0, n, BLOCK)]
    return [(rows, columns) for i, rows in enumerate(cuts) for columns in cuts[i:]]


def _add_pairs(pairs: np.ndarray, weight: float, V: np.ndarray, G: np.ndarray) -> float:
    """Subtract MV from G with M = max(0, N - σX), block by block; give the penalty."""
    low = V.astype(np.float32)
    if weight == 0:
        product = (pairs @ low).astype(np.float64)
        G -= product
        return -float(np.vdot(product, V))
    total, added = 0.0, np.zeros_like(low)
    for rows, columns in _blocks(V.shape[0]):
        M = _shifted(pairs, weight, low, rows, columns)
        np.maximum(M, 0.0, out=M)
        square = float(np.vdot(M, M))
        added[rows] += M @ low[columns]
        if rows != columns:
            added[columns] += M.T @ low[rows]
        total += square if rows == columns else 2.0 * square
    G -= added
    return total / (2.0 * weight)


def _shifted(
    pairs: np.ndarray, weight: float, V: np.ndarray, rows: slice, columns: slice
) -> np.ndarray:
    """Give a block of N - σX, with zeros on the diagonal."""
    M = (-weight * V[rows]) @ V[columns].T
    M += pairs[rows, columns]
    if rows == columns:
        np.fill_diagonal(M, 0.0)
    return M


def _move_pairs(pairs: np.ndarray, weight: float, V: np.ndarray) -> float:
    low, violation = V.astype(np.float32), 0.0
    for rows, columns in _blocks(V.shape[0]):
        M = _shifted(pairs, weight, low, rows, columns)
        negative = np.maximum(M - pairs[rows, columns], 0.0) / weight
        if rows == columns:
            np.fill_diagonal(negative, 0.0)
        square = float(np.vdot(negative, negative))
        violation += square if rows == columns else 2.0 * square
        np.maximum(M, 0.0, out=M)
        pairs[rows, columns] = M
        pairs[columns, rows] = M.T
    return violation
