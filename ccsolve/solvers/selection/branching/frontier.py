"""The open nodes: best first, and depth first once they fill the memory."""

import heapq
import math
from dataclasses import dataclass, field

from ccsolve.solvers.selection.branching.node import Node, Part

MEMORY = 2**29
"""Bytes of open nodes up to which the best is taken first."""


@dataclass
class Frontier:
    """What is open, what is in work, and the least bound of what was closed.

    Attributes
    ----------
    closed : no point in the closed part is below this, but the incumbent.
    working : bound of the node that is neither open nor closed.
    """

    closed: float = math.inf
    working: float = math.inf
    heap: list[tuple[float, int, Node | Part]] = field(default_factory=list)
    count: int = 0
    held: int = 0

    def bound(self) -> float:
        """Give the proven bound of the whole."""
        first = self.heap[0][0] if self.heap else math.inf
        return min(self.closed, self.working, first)

    def push(self, node: Node | Part) -> None:
        """Open a node."""
        self.count += 1
        self.held += node.size
        heapq.heappush(self.heap, (node.bound, -self.count, node))

    def pop(self) -> Node | Part:
        """Take the node of the least bound, or the youngest where memory is short.

        Depth first, one node stays open for each level of one path.
        """
        if self.held <= MEMORY:
            node = heapq.heappop(self.heap)[2]
        else:
            youngest = min(range(len(self.heap)), key=lambda k: self.heap[k][1])
            self.heap[youngest], self.heap[-1] = self.heap[-1], self.heap[youngest]
            node = self.heap.pop()[2]
            heapq.heapify(self.heap)
        self.held -= node.size
        self.working = node.bound
        return node

    def close(self, bound: float) -> None:
        """Close what is in work: no point of it is below ``bound``."""
        self.closed = min(self.closed, bound)
        self.working = math.inf

    def leave_out(self, bound: float) -> None:
        """Close a part of what is in work: no point of it is below ``bound``."""
        self.closed = min(self.closed, bound)

    def raise_working(self, bound: float) -> None:
        """Take a better bound of what is in work."""
        self.working = max(self.working, bound)
