"""What the best rest of a partial choice is, at several prices at once."""

from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.tree_lists import Cutoffs
from ccsolve.kernels.tree_sweep import Tree
from ccsolve.solvers.allocation.pairing.forest import depth
from ccsolve.solvers.allocation.pairing.pricing import marginals, slack, swept
from ccsolve.solvers.allocation.pairing.program import PairProgram

_TOGETHER = (0.95, 1.05, 0.85, 1.15, 0.6, 1.6)
"""Multiples of the best prices that partial choices are tested with, too."""

_SINGLY = (0.8, 1.25, 0.5, 0.9, 1.1, 2.0)
"""Multiples of one price of several."""

_FREE = (0.02, 0.05, 0.1, 0.2, 0.4)
"""What a budget without a price is tried at: parts of what the others are worth."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """J linear tests that every point of interest passes, and their sweeps.

    weights_j·loss + prices_jᵀcost ≤ room_j for all points sought: loss ≤ target with
    any prices (weight 1), or one budget alone (weight 0).

    Attributes
    ----------
    own, least : (J, N) what options count alone, and with the best below them.
    through : (J, N) least value of a point with the option.
    inbox : (J, ...) messages of the sweeps up.
    """

    tests: Cutoffs
    own: np.ndarray
    least: np.ndarray
    through: np.ndarray
    inbox: np.ndarray

    def possible(self) -> np.ndarray:
        """Say which options some point that passes all tests may take, (N,)."""
        return np.all(self.through <= self.tests.room[:, None], axis=0)


def cutoffs_of(
    program: PairProgram, prices: np.ndarray, target: float, many: bool = True
) -> Cutoffs:
    """Give what all points of at most that loss pass, up to the rounding of sweeps.

    The Lagrangian bound at the best prices (B,), if ``many`` at others around them, and
    every budget alone. A partial choice that leaves much of a budget is bounded best at
    lower prices, one that leaves little at higher ones.
    """
    rows = [prices, *_around(program, prices)] if many else [prices]
    weights = np.concatenate([np.ones(len(rows)), np.zeros(len(prices))])
    every = np.concatenate([rows, np.eye(len(prices))])
    return Cutoffs(weights, every, every @ program.limits + weights * target)


def _around(program: PairProgram, prices: np.ndarray) -> list[np.ndarray]:
    rows = [prices * factor for factor in _TOGETHER]
    worth = float(prices @ program.limits)
    for budget in range(len(prices) if len(prices) > 1 else 0):
        if prices[budget] > 0:
            tried = prices[budget] * np.array(_SINGLY)
        else:
            tried = worth * np.array(_FREE) / max(program.limits[budget], 1e-300)
        for price in tried:
            row = prices.copy()
            row[budget] = price
            rows.append(row)
    return rows


def outlook(program: PairProgram, tree: Tree, tests: Cutoffs) -> Outlook:
    """Sweep for every test; its room grows by the rounding. O(JB(N + P))."""
    down = depth(tree) + 1
    each = list(zip(tests.weights, tests.prices, strict=True))
    rounding = [slack(program, weight, row, down) for weight, row in each]
    sweeps = [swept(program, tree, weight, row) for weight, row in each]
    return Outlook(
        tests=tests._replace(room=tests.room + rounding),
        own=np.array([sweep.own for sweep in sweeps]),
        least=np.array([sweep.least for sweep in sweeps]),
        through=np.array([marginals(tree, sweep) for sweep in sweeps]),
        inbox=np.array([sweep.inbox for sweep in sweeps]),
    )
