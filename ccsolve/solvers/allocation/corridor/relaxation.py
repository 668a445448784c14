"""The linear relaxation of an allocation at one budget, with a proven bound."""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.allocation_hull import fill, minima
from ccsolve.linalg.exact_sums import sum_down
from ccsolve.linalg.rounding import EPS, TINY
from ccsolve.solvers.allocation.corridor.hulls import Prepared


@dataclass(frozen=True, eq=False)
class Relaxed:
    """The Lagrangian at the optimal price, in the units of the tables.

    Attributes
    ----------
    tables : the prepared tables.
    limit : the budget.
    price : λ, the loss that a unit of budget saves.
    least : (L,) min_j loss_j + λ·cost_j, computed.
    base : (L,) options that attain it within the budget.
    greedy : (L,) options: the base, and what else of the hull fits.
    bound : at most Σ_l least_l - λ·limit: no choice within the budget loses less.
    blur : no option's reduced cost is further from the computed one, up to a relative
        error; the bound allows for it as well.
    """

    tables: Prepared
    limit: float
    price: float
    least: np.ndarray
    base: np.ndarray
    greedy: np.ndarray
    bound: float
    blur: float


def relax(tables: Prepared, limit: float) -> Relaxed:
    """Relax an allocation under a budget that not all can be had for; O(N).

    The cheapest choice takes hull edges by falling price until one does not fit: its
    price λ is optimal (Sinha and Zoltners 1979; Dyer 1984), and for any λ ≥ 0

        Σ_l loss_l(j_l) ≥ Σ_l min_j (loss_l(j) + λ·cost_l(j)) - λ·limit

    at every choice within the limit. The minima are taken over all options, so that
    rounding in the hulls costs no more than a little of the bound's height.
    """
    count = _edges_within(tables, limit)
    price = float(tables.price[count]) if count < len(tables.price) else 0.0
    taken = tables.after(count)
    base = tables.chosen(taken)
    left = sum_down([limit, *(-tables.costs[base]).tolist()])
    fill(tables.edge_layer, tables.edge_cost, count, taken, left)
    least = np.empty(tables.n)
    minima(tables.losses, tables.costs, tables.offsets, price, least)
    size = float(np.abs(least).max()) + 2.0 * tables.scale
    blur = 4.0 * EPS * size + 4.0 * TINY
    spent = -math.nextafter(price * limit, math.inf)
    return Relaxed(
        tables=tables,
        limit=limit,
        price=price,
        least=least,
        base=base,
        greedy=tables.chosen(taken),
        bound=sum_down([*least.tolist(), spent, -tables.n * blur]),
        blur=blur,
    )


def _edges_within(tables: Prepared, limit: float) -> int:
    """Give how many edges by falling price the budget allows."""
    count = int(np.searchsorted(tables.spent, limit, side="right")) - 1
    # The cumulated sums are rounded.
    while count > 0 and _spent(tables, count) > limit:
        count -= 1
    return max(count, 0)


def _spent(tables: Prepared, count: int) -> float:
    return math.fsum(tables.costs[tables.chosen(tables.after(count))].tolist())
