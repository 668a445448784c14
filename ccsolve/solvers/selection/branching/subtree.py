"""A depth-first tree of a convex program, grown in portions."""

import enum
import warnings
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ccsolve.kernels.convex_tree import DONE, FOUND, explore, explored
from ccsolve.kernels.dual_sweep import ALL
from ccsolve.kernels.tree_path import NODES, STATIC, Program, Tree
from ccsolve.solvers.selection.branching.convex_program import (
    ConvexProgram,
    tangent_rounding,
)

TREE_LIMIT = 300
"""Channels up to which trees are grown: the tableaux of a path are n³/3 numbers."""


class Outcome(enum.Enum):
    """Why a tree came back."""

    DONE = "every point is below the threshold's subtree or left"
    PAUSED = "the nodes are used up"
    FOUND = "a point below the threshold"


@dataclass(frozen=True, eq=False)
class Subtree:
    """A tree and what it searches; the arrays inside change as it grows."""

    program: Program
    tree: Tree
    tolerance: float

    def grow(self, threshold: float, nodes: int) -> Outcome:
        """Search ``nodes`` more nodes for points of value below ``threshold``."""
        why = explore(self.program, self.tree, threshold, self.tolerance, nodes)
        if why == DONE:
            return Outcome.DONE
        return Outcome.FOUND if why == FOUND else Outcome.PAUSED

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.program.H.shape[0]

    @property
    def uncertainty(self) -> float:
        """What rounding may add to a computed value, at most."""
        return float(self.program.rounding[STATIC])

    @property
    def point(self) -> np.ndarray:
        """The point last found, (n,) bool."""
        return self.tree.point == 1

    @property
    def nodes(self) -> int:
        """Nodes bounded so far."""
        return int(self.tree.counts[NODES])

    @property
    def explored(self) -> float:
        """Part of the tree that is done, in [0, 1]; each split counts as two halves."""
        return float(explored(self.tree))

    @property
    def root_branch(self) -> int:
        """The channel on which the root is split; after the first node."""
        return int(self.tree.branch[0])


def plant(program: ConvexProgram, tolerance: float) -> Subtree:
    """Give the tree of a program before its first node; O(n³) time and memory.

    Parameters
    ----------
    tolerance : change of the objective, in the program's units, for which no pivot is
        made.
    """
    tree = _empty_tree(program.n)
    n, price = program.n, program.n + 1
    tableau, x = _first_tableau(program)
    tree.tableaux[: tableau.size] = tableau.ravel()
    tree.x[0], tree.names[0, :n] = x, np.arange(n)
    tree.basic[0, :n] = True
    tree.basic[0, n] = program.keep >= 0
    tree.linear[0, :n] = program.linear
    tree.free[0], tree.keep[0], tree.room[0] = n, program.keep, program.limit
    tree.constant[0] = program.constant
    if program.cost.size:
        tree.reduced[0, price] = float(program.cost @ x[:n]) - program.limit
    return Subtree(_data(program), tree, tolerance)


def _data(program: ConvexProgram) -> Program:
    kinds, places, t = program.cuts
    # A cut of two variables repeats one of them in its third place.
    used = np.column_stack([kinds == kinds, kinds == kinds, kinds <= ALL])
    cut, place = np.nonzero(used)
    variable = places[cut, place]
    order = np.argsort(variable, kind="stable")
    start = np.searchsorted(variable[order], np.arange(program.n + 1))
    # Copies: kernels are compiled once per type, and read-only is part of the type.
    return Program(
        H=np.array(program.H, order="C"),
        P=np.array(program.P, order="C"),
        cost=np.array(program.cost),
        kinds=np.array(kinds),
        places=np.array(places, order="C"),
        t=np.array(t),
        start=start,
        of=cut[order],
        rounding=tangent_rounding(program),
    )


def _first_tableau(program: ConvexProgram) -> tuple[np.ndarray, np.ndarray]:
    """Give the tableau with all variables free and the price at 0, and its point."""
    n = program.n
    keeps = program.keep >= 0
    size = n + 1 if keeps else n
    bordered = np.zeros((size, size))
    bordered[:n, :n] = program.H
    target = np.zeros(size)
    target[:n] = -program.linear
    if keeps:
        bordered[:n, n] = bordered[n, :n] = 1.0
        target[n] = program.keep
    inverse = _inverse(bordered)
    tableau, x = np.zeros((n + 2, n + 2)), np.zeros(n + 2)
    tableau[:size, :size] = -inverse
    x[:size] = inverse @ target
    if program.cost.size:
        column = inverse[:, :n] @ program.cost
        tableau[:size, n + 1] = tableau[n + 1, :size] = column
        tableau[n + 1, n + 1] = -float(program.cost @ column[:n])
    return tableau, x


def _inverse(A: np.ndarray) -> np.ndarray:
    """Give a symmetric inverse; of a matrix singular to rounding the pseudo-inverse."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", scipy.linalg.LinAlgWarning)
        try:
            inverse = scipy.linalg.inv(A, check_finite=False)
        except (scipy.linalg.LinAlgError, scipy.linalg.LinAlgWarning):
            inverse = scipy.linalg.pinvh(A, check_finite=False)
    return 0.5 * (inverse + inverse.T)


def _empty_tree(n: int) -> Tree:
    """Give room for a path of n + 2 nodes; node d has at most n - d free variables."""
    depth, width = n + 2, n + 2
    sizes = np.arange(2, n + 3, dtype=np.int64) ** 2
    return Tree(
        tableaux=np.zeros(int(sizes.sum()) + (n + 2) ** 2),
        offset=np.zeros(depth, np.int64),
        names=np.zeros((depth, width), np.int64),
        x=np.zeros((depth, width)),
        reduced=np.zeros((depth, width)),
        basic=np.zeros((depth, width), np.bool_),
        linear=np.zeros((depth, width)),
        forced=np.zeros((depth, width)),
        fixed=np.full((depth, n), -1, np.int8),
        free=np.zeros(depth, np.int64),
        keep=np.zeros(depth, np.int64),
        room=np.zeros(depth),
        constant=np.zeros(depth),
        bound=np.zeros(depth),
        state=np.zeros(depth, np.int64),
        branch=np.zeros(depth, np.int64),
        first=np.zeros(depth, np.int64),
        point=np.zeros(n, np.int8),
        counts=np.zeros(3, np.int64),
    )
