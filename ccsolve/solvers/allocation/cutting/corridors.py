"""Search in widening corridors around the bound, until none is left below the goal."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.knapsack_core import Node
from ccsolve.kernels.knapsack_listing import Incumbent
from ccsolve.kernels.knapsack_tree import Tree, explore, open_bound
from ccsolve.solvers.allocation.cutting.dual import Dual, empty_proposals
from ccsolve.solvers.allocation.cutting.program import Program
from ccsolve.solvers.allocation.cutting.selected import Selected, within

_STORE, _LISTED = 32, 300
_WORK = 40_000
"""Options times budgets looked at in one step, about 2 ms."""


@dataclass(frozen=True, eq=False)
class Find:
    """What a part of the search found.

    Attributes
    ----------
    bound : proven, in the table's unit.
    loss, chosen : the best point, as options of the table; None if nothing is new.
    exhausted : whether the corridor is searched.
    """

    bound: float
    loss: float
    chosen: np.ndarray | None
    exhausted: bool


def searched(
    program: Program, dual: Dual, loss: float, goal: float, tolerance: np.ndarray
) -> Iterator[Find]:
    """Search for points of loss below the goal; ``loss`` is that of a known one.

    Only options of reduced cost at most goal - bound can be in such a point. Each
    better point lowers the goal, by ``tolerance`` (relative, absolute) below its loss.
    The last find of an exhausted search proves that no point is below its goal, save
    for those whose costs rounding cannot tell from the budgets: its bound is then
    their loss.
    """
    core = within(program.table, dual, goal - dual.bound)
    incumbent = Incumbent(
        choice=np.zeros(core.layers, dtype=np.int64),
        values=np.array([loss, goal, np.inf]),
        tolerance=tolerance,
    )
    node, tree = _root(core, dual)
    proposals = empty_proposals(_STORE, core.layers, len(dual.prices))
    held = np.zeros(2, dtype=np.int64)
    nodes = max(1, _WORK // (core.core.costs.size + 1))
    exhausted = False
    while not exhausted:
        exhausted = explore(core.core, node, proposals, held, incumbent, tree, nodes)
        best, _, undecided = incumbent.values.tolist()
        bound = open_bound(incumbent, tree)
        chosen = core.chosen(incumbent.choice) if best < loss else None
        loss = min(loss, best)
        yield Find(min(bound, undecided), loss, chosen, exhausted)


def _root(core: Selected, dual: Dual) -> tuple[Node, Tree]:
    options, layers, budgets = len(core.options), core.layers, len(dual.prices)
    node = Node(
        alive=np.ones(options, dtype=np.bool_),
        choice=np.zeros(layers, dtype=np.int64),
        prices=dual.prices.copy(),
        least=np.zeros(layers),
        trial=np.zeros(layers, dtype=np.int64),
        tried=np.zeros(budgets),
        spent=np.zeros(layers),
    )
    tree = Tree(
        trail=np.zeros(options, dtype=np.int64),
        start=np.zeros(options + 3, dtype=np.int64),
        layer=np.zeros(options + 1, dtype=np.int64),
        parted=np.zeros(options + 1, dtype=np.int64),
        second=np.zeros(options + 1, dtype=np.bool_),
        prices=np.zeros((options + 2, budgets)),
        bounds=np.full(options + 2, -np.inf),
        depth=np.zeros(1, dtype=np.int64),
        listing=_LISTED,
    )
    tree.prices[0] = dual.prices
    tree.bounds[0] = dual.bound
    return node, tree
