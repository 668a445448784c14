"""A bound where pairs close cycles: the dual of the pairwise linear relaxation."""

from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.edge_messages import Graph, relaxed, share
from ccsolve.linalg.rounding import gamma
from ccsolve.solvers.allocation.pairing.program import PairProgram


@dataclass(frozen=True, eq=False)
class Relaxed:
    """What a relaxation says of the points within the limits.

    Attributes
    ----------
    bound : a proven lower bound of their loss.
    x : (L,) each layer's own choice.
    least_with : (N,) a proven lower bound of the loss of those that take an option.
    """

    bound: float
    x: np.ndarray
    least_with: np.ndarray


@dataclass(frozen=True, eq=False)
class Relaxation:
    """What the layers and the pairs count when each chooses for itself.

    Values are shifted between a layer's options and the rows or columns of its tables,
    which changes no point's sum; the sum of all least entries bounds every point. The
    best shifts give the bound of the linear relaxation on the local polytope, which on
    a tree is the least sum itself.

    Attributes
    ----------
    shifts : what each pair has given to its layers, updated in place.
    """

    program: PairProgram
    graph: Graph
    shifts: np.ndarray

    def bounded(self, prices: np.ndarray, passes: int) -> Relaxed:
        """Improve the shifts for these prices, and bound; O(passes·(N + P))."""
        program = self.program
        own, met = program.priced(1.0, prices)
        share(self.graph, own, met, self.shifts, passes)
        x, above = np.zeros(program.layers, dtype=np.int64), np.empty(len(own))
        value, moved = relaxed(self.graph, own, met, self.shifts, x, above)
        bound = value - float(prices @ program.limits) - self._slack(prices, moved)
        return Relaxed(bound, x, bound + above)

    def _slack(self, prices: np.ndarray, moved: float) -> float:
        """Bound the rounding: each option meets the shifts of all pairs of its layer.

        Sums of L + E least entries, each of E + B + 2 terms at most, none beyond what
        the tables and the largest shifts hold.
        """
        program = self.program
        loss, cost = program.largest
        most = loss + float(prices @ (cost + program.limits)) + 2.0 * moved
        terms = program.layers + 2 * len(program.edges) + 4 * len(prices) + 16
        return 4.0 * gamma(terms) * most

    def carried_to(self, part: PairProgram, alive: np.ndarray) -> "Relaxation":
        """Give the relaxation of the options with ``alive`` (N,), with these shifts."""
        new, program = relaxation_of(part), self.program
        numbers = {edge: e for e, edge in enumerate(map(tuple, program.edges.tolist()))}
        for e, edge in enumerate(part.edges.tolist()):
            for side, layer in enumerate(edge):
                own = alive[program.offsets[layer] : program.offsets[layer + 1]]
                old = self.graph.inbox[numbers[tuple(edge)], side]
                kept = self.shifts[old : old + len(own)][own]
                at = new.graph.inbox[e, side]
                new.shifts[at : at + len(kept)] = kept
        return new


def relaxation_of(program: PairProgram) -> Relaxation:
    """Begin without shifts."""
    sizes = program.sizes[program.edges]
    ends = np.cumsum(sizes.ravel())
    graph = Graph(
        offsets=program.offsets,
        edges=program.edges,
        tables=program.pair_offsets,
        inbox=(ends - sizes.ravel()).reshape(-1, 2),
    )
    return Relaxation(program, graph, np.zeros(int(ends[-1]) if len(ends) else 0))
