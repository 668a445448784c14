"""The budget multiplied by x_i and by 1 - x_i, on the low-rank program.

With c the cost and h_i = (Xc)_i - limit·X_ii, every feasible zzᵀ has h_i ≤ 0 and
cᵀdiag X - limit - h_i ≤ 0. Multipliers ``prices`` (2, n) ≥ 0, spend and save, δ their
difference and T = Σ save, make of them ⟨½(δcᵀ + cδᵀ) - limit·Diag(δ) + T·Diag(c), X⟩ -
limit·T ≤ 0.
"""

import numpy as np

from ccsolve.solvers.selection.relaxing.low_rank_program import LowRankProgram


def add_prices(
    program: LowRankProgram,
    prices: np.ndarray,
    weight: float,
    V: np.ndarray,
    G: np.ndarray,
) -> float:
    """Add the budget's part of the gradient to G (n, r), give its value; O(nr).

    The augmented Lagrangian's, without the squares of the multipliers; with ``weight``
    0 the linear one's, without its constant.
    """
    excess = _excess(program, V)
    if weight == 0:
        acting = prices
        value = float(np.vdot(prices, excess)) - constant_of(program, prices)
    else:
        acting = np.maximum(0.0, prices + weight * excess)
        value = float(np.vdot(acting, acting)) / (2.0 * weight)
    c, difference = program.cost, acting[0] - acting[1]
    G += 0.5 * (difference[:, None] * (c @ V) + c[:, None] * (difference @ V))
    G += diagonal_of(program, acting)[:, None] * V
    return value


def move_prices(
    program: LowRankProgram, prices: np.ndarray, weight: float, V: np.ndarray
) -> tuple[np.ndarray, float]:
    """Give the multipliers after a step, and the sum of the squared violations."""
    excess = _excess(program, V)
    violation = float(np.square(np.maximum(excess, 0.0)).sum())
    return np.maximum(0.0, prices + weight * excess), violation


def diagonal_of(program: LowRankProgram, prices: np.ndarray) -> np.ndarray:
    """Give the diagonal that the multipliers add beside ½(δcᵀ + cδᵀ), (n,)."""
    spend, save = prices
    return float(save.sum()) * program.cost - program.limit * (spend - save)


def constant_of(program: LowRankProgram, prices: np.ndarray) -> float:
    """Give what the multipliers add to the Lagrangian, whatever X."""
    return -program.limit * float(prices[1].sum())


def fall_per_unit(prices: np.ndarray, x: np.ndarray) -> float:
    """Give by how much the Lagrangian at x (n,) falls per unit of budget added."""
    return float(prices[0] @ x + prices[1] @ (1.0 - x))


def _excess(program: LowRankProgram, V: np.ndarray) -> np.ndarray:
    """Give h and cᵀdiag X - limit - h, (2, n)."""
    c, x = program.cost, V[:, 0]
    h = V @ (c @ V) - program.limit * x
    return np.stack((h, float(c @ x) - program.limit - h))
