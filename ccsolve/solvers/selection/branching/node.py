"""The nodes of the upper tree: values given to channels, or a lifted program."""

from dataclasses import dataclass

import numpy as np

from ccsolve.solvers.selection.relaxing.admm import Ascent
from ccsolve.solvers.selection.relaxing.duals import Dual
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram
from ccsolve.solvers.selection.relaxing.restriction import restrict, restrict_point


@dataclass(frozen=True, eq=False)
class Part:
    """The points with given values: ``fixed`` (n,) in {-1 free, 0, 1}.

    ``plain`` where the plain convex form has been found to make the smaller trees.
    """

    bound: float
    fixed: np.ndarray
    plain: bool = False

    @property
    def size(self) -> int:
        """Bytes that the part holds."""
        return self.fixed.nbytes


@dataclass(frozen=True, eq=False)
class Node:
    """What is left to decide, and where an ascent of its bound begins.

    Attributes
    ----------
    bound : proven, in the problem's units.
    program : of the undecided channels, which ``names`` (N,) numbers in the root.
    kept : (n,) bool, the root's channels that are decided to be kept.
    dual, X, penalty : None where an ascent has to begin from nothing.
    """

    bound: float
    program: LiftedProgram
    names: np.ndarray
    kept: np.ndarray
    dual: Dual | None = None
    X: np.ndarray | None = None
    penalty: float | None = None

    @property
    def size(self) -> int:
        """Bytes that the node holds, nearly."""
        return 3 * 8 * self.program.C.size

    def point(self, z: np.ndarray) -> np.ndarray:
        """Give the root's point of a point of the undecided channels, (n,) bool."""
        whole = self.kept.copy()
        whole[self.names] = z
        return whole

    @property
    def can_split(self) -> bool:
        """Whether both values of a channel leave a lifted program."""
        keep = self.program.keep
        return self.program.n > 2 and (not keep or 1 < keep < self.program.n - 1)


def split(node: Node, ascent: Ascent, channel: int) -> tuple[Node, Node]:
    """Give the nodes with a channel kept and removed; their bounds are no lower."""
    return _child(node, ascent, channel, True), _child(node, ascent, channel, False)


def _child(node: Node, ascent: Ascent, channel: int, keeps: bool) -> Node:
    child = restrict(node.program, ascent.dual, ascent.certificate, channel, keeps)
    kept = node.kept.copy()
    kept[node.names[channel]] = keeps
    return Node(
        bound=max(node.bound, ascent.bound),
        program=child.program,
        names=np.delete(node.names, channel),
        kept=kept,
        dual=child.dual,
        X=restrict_point(node.program, ascent.X, channel, keeps),
        penalty=1.5 * ascent.penalty,
    )
