"""What the best rest of a partial choice is, at several prices at once."""

import itertools
from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.tree_lists import Tests
from ccsolve.kernels.tree_sweep import Tree, min_marginals, upward
from ccsolve.solvers.allocation.pairing.forest import depth
from ccsolve.solvers.allocation.pairing.pricing import slack
from ccsolve.solvers.allocation.pairing.program import PairProgram

FACTORS = (0.95, 1.05, 0.85, 1.15, 0.6, 1.6)
"""Multiples of the best prices that partial choices are tested with, too."""

_SINGLY = (0.8, 1.25)
"""Multiples of one price of several."""


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

    tests: Tests
    own: np.ndarray
    least: np.ndarray
    through: np.ndarray
    inbox: np.ndarray

    def possible(self) -> np.ndarray:
        """Say which options some point that passes all tests may take, (N,)."""
        return np.all(self.through <= self.tests.room[:, None], axis=0)


def tests_of(
    program: PairProgram,
    prices: np.ndarray,
    target: float,
    factors: tuple[float, ...] = FACTORS,
) -> Tests:
    """Give what all points of at most that loss pass, up to the rounding of sweeps.

    The Lagrangian bound at the best prices (B,) and at multiples of them, and every
    budget alone. A partial choice that leaves much of a budget is bounded best at lower
    prices, one that leaves little at higher ones.
    """
    rows = [prices, *(prices * factor for factor in factors)]
    if len(prices) > 1 and factors:
        rows += [
            np.where(np.arange(len(prices)) == budget, prices * factor, prices)
            for budget, factor in itertools.product(range(len(prices)), _SINGLY)
        ]
    weights = np.concatenate([np.ones(len(rows)), np.zeros(len(prices))])
    every = np.concatenate([rows, np.eye(len(prices))])
    return Tests(weights, every, every @ program.limits + weights * target)


def outlook(program: PairProgram, tree: Tree, tests: Tests) -> Outlook:
    """Sweep for every test; its room grows by the rounding. O(JB(N + P))."""
    down = depth(tree) + 1
    each = list(zip(tests.weights, tests.prices, strict=True))
    rounding = [slack(program, weight, row, down) for weight, row in each]
    found = [_swept(program, tree, weight, row) for weight, row in each]
    own, least, through, inbox = (np.array(part) for part in zip(*found, strict=True))
    tests = tests._replace(room=tests.room + rounding)
    return Outlook(tests, own, least, through, inbox)


def _swept(
    program: PairProgram, tree: Tree, weight: float, prices: np.ndarray
) -> tuple[np.ndarray, ...]:
    own, met = program.priced(weight, prices)
    least, inbox = upward(tree, own, met)
    return own, least, min_marginals(tree, least, inbox, met), inbox
