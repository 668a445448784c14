"""What prices say of a forest: the Lagrangian bound, its point, its min-marginals."""

from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.tree_sweep import (
    Tree,
    lowest_point,
    lowest_total,
    min_marginals,
    upward,
)
from ccsolve.linalg.rounding import gamma
from ccsolve.solvers.allocation.pairing.program import PairProgram


@dataclass(frozen=True, eq=False)
class Priced:
    """What an evaluation at prices (B,) ≥ 0 gave.

    Attributes
    ----------
    bound : a proven lower bound of the loss of every point within the limits.
    x : (L,) the point that attains it, of this loss and cost (B,).
    """

    prices: np.ndarray
    bound: float
    x: np.ndarray
    loss: float
    spent: np.ndarray


@dataclass(frozen=True, eq=False)
class Sweep:
    """What sweeps over a forest gave, from weight·loss + pricesᵀcost of all entries.

    Attributes
    ----------
    own, met : (N,), (P,) those entries.
    least : (N,) each option's least sum over its subtree.
    inbox : the messages to the parents.
    """

    own: np.ndarray
    met: np.ndarray
    least: np.ndarray
    inbox: np.ndarray


def swept(program: PairProgram, tree: Tree, weight: float, prices: np.ndarray) -> Sweep:
    """Price every entry and sweep up; O((N + P)·B)."""
    own, met = program.priced(weight, prices)
    sweep = Sweep(own, met, np.empty(len(own)), np.empty(tree.inbox_size))
    upward(tree, own, met, sweep.least, sweep.inbox)
    return sweep


def marginals(tree: Tree, sweep: Sweep) -> np.ndarray:
    """Give the least sum of the points with each option, (N,): a sweep down.

    Rounding is within `slack` at the tree's depth.
    """
    through = np.empty(len(sweep.own))
    min_marginals(tree, sweep.least, sweep.inbox, sweep.met, through)
    return through


def evaluate(program: PairProgram, tree: Tree, prices: np.ndarray) -> Priced:
    """Minimise loss + pricesᵀ(cost - limits) over all points, exactly; O((N + P)·B).

    ``bound`` is that minimum less `slack`, and so proven.
    """
    sweep = swept(program, tree, 1.0, prices)
    x = np.zeros(program.layers, dtype=np.int64)
    lowest_point(tree, sweep.least, sweep.met, x)
    loss, spent = program.at(x)
    value = lowest_total(tree, sweep.least) - float(prices @ program.limits)
    bound = value - slack(program, 1.0, prices)
    return Priced(prices, bound, x, loss, spent)


def slack(
    program: PairProgram, weight: float, prices: np.ndarray, depth: int = 1
) -> float:
    """Bound the rounding of a sweep up, or up and down a tree of that depth.

    Every one of up to 4(L + E) sums errs by the unit roundoff times what was summed,
    which `PairProgram.largest` bounds; on its way down a value meets the errors of
    every subtree it passes, ``depth`` at most. Pricing adds B + 1 roundings.
    """
    loss, cost = program.largest
    most = weight * loss + float(prices @ (cost + program.limits))
    terms = 4 * (program.layers + len(program.edges) + 1) * depth
    return 2.0 * gamma(terms + 4 * len(prices) + 8) * most
