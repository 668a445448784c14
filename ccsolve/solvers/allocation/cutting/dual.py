"""The Lagrangian bound of several budgets, and the prices that give it."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.knapsack_dual import Climb, climb
from ccsolve.kernels.knapsack_master import Proposals
from ccsolve.kernels.knapsack_pricing import Priced, price

_STORE, _CLOSE, _WORK = 400, 1e-9, 2_000_000


@dataclass(frozen=True, eq=False)
class Dual:
    """Prices of the budgets, their bound, and the proposals that were seen.

    Attributes
    ----------
    prices : (B,)
    bound : proven, in the table's unit.
    least : (L,) priced values of the cheapest options.
    starts : (S, L) the cheapest options, and the proposals that the best mixture of
        options is made of.
    """

    prices: np.ndarray
    bound: float
    least: np.ndarray
    starts: np.ndarray


def climbed(table: Priced, ceiling: float) -> Generator[Step, None, Dual]:
    """Return the best prices found, after empty steps.

    A bound above every point's loss proves that no point keeps the budgets; it gets
    there if the ceiling is above. O(N·B) for each
    of about 15 passes with one or two budgets that bind, 40 with three.
    """
    layers, budgets = len(table.offsets) - 1, len(table.limits)
    state = _started(layers, budgets, ceiling)
    proposals = empty_proposals(_STORE, layers, budgets)
    passes = max(1, _WORK // table.costs.size)
    close = _CLOSE * max(table.weight, 1e-3)
    while not climb(table, proposals, state, passes, close):
        yield Step()
    price(table, state.best, state.choice, state.spent, state.least)
    mixed = proposals.choices[proposals.weights > 0.0]
    return Dual(
        prices=state.best,
        bound=float(state.figures[0]),
        least=state.least,
        starts=np.vstack([state.choice[None], mixed]),
    )


def empty_proposals(count: int, layers: int, budgets: int) -> Proposals:
    """Give room for so many proposals."""
    return Proposals(
        losses=np.zeros(count),
        excess=np.zeros((count, budgets)),
        choices=np.zeros((count, layers), dtype=np.int64),
        weights=np.zeros(count),
    )


def _started(layers: int, budgets: int, ceiling: float) -> Climb:
    return Climb(
        prices=np.zeros(budgets),
        best=np.zeros(budgets),
        choice=np.zeros(layers, dtype=np.int64),
        least=np.zeros(layers),
        spent=np.zeros(budgets),
        figures=np.array([-np.inf, np.inf]),
        held=np.zeros(1, dtype=np.int64),
        ceiling=ceiling,
    )
