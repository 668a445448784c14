"""Points within the budgets: repaired from prices' points, improved by local search."""

from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.pair_moves import Changes, Tables, best_exchange, repair, slide
from ccsolve.solvers.allocation.pairing.ascent import unit_prices
from ccsolve.solvers.allocation.pairing.program import PairProgram

WIDTH = 512
"""Options among which two moves at once are looked for."""


_KICKED, _FAR = 4, 3
"""A kick moves that many layers, each by up to that many options."""


@dataclass(frozen=True, eq=False)
class Improver:
    """What the local search reads of a program.

    Attributes
    ----------
    layer_of : (N,) the layer of each option.
    between : (L, L) the pair of two layers, -1 without one.
    least_gain : what counts as a gain.
    """

    program: PairProgram
    tables: Tables
    layer_of: np.ndarray
    between: np.ndarray
    least_gain: float

    def improved(self, x: np.ndarray, prices: np.ndarray) -> np.ndarray | None:
        """Repair and improve a point (L,); None where the repair fails.

        Repair makes the move that raises the Lagrangian least per budget relieved;
        descent takes single moves and moves of two layers, neighbours or not, with
        true pair costs, until none gains. O((N + ΣK_e + `WIDTH`²)·B) per move.
        """
        x, program = x.copy(), self.program
        unit = np.maximum(program.limits, 1e-12 * program.largest[1])
        unit = np.maximum(unit, 1e-300)
        # Without prices a repair would not see what its moves take from the budgets.
        guide = np.maximum(prices, 1e-6 * unit_prices(program))
        if not repair(self.tables, x, guide, unit, self.layer_of):
            return None
        self._descend(self.tables, x, guide, self.least_gain)
        return x

    def _descend(
        self, tables: Tables, x: np.ndarray, prices: np.ndarray, least_gain: float
    ) -> None:
        """Improve a point in place by moves of one layer, then of two."""
        moves = Changes(np.empty_like(tables.losses), np.empty_like(tables.costs))
        while True:
            slide(tables, x, self.layer_of, least_gain, moves)
            chosen = self._likeliest(moves, prices, x)
            gain, *options = best_exchange(
                tables, x, moves, self.layer_of, self.between, chosen
            )
            if gain >= -least_gain:
                return
            for option in options:
                layer = self.layer_of[option]
                x[layer] = option - tables.offsets[layer]

    def _likeliest(
        self, moves: Changes, prices: np.ndarray, x: np.ndarray
    ) -> np.ndarray:
        """Give the moves that raise loss + pricesᵀcost least, `WIDTH` at most."""
        rise = moves.loss + moves.cost @ prices
        rise[self.program.offsets[:-1] + x] = np.inf
        others = len(rise) - len(x)
        if others <= WIDTH:
            return np.flatnonzero(rise < np.inf)
        return np.sort(np.argpartition(rise, WIDTH)[:WIDTH])

    def settled(self, x: np.ndarray, prices: np.ndarray) -> np.ndarray:
        """Descend on loss + pricesᵀcost without budgets, from a point (L,)."""
        x = x.copy()
        own, met = self.program.priced(1.0, prices)
        free = self.tables._replace(
            losses=own,
            costs=np.zeros((len(own), 0)),
            pair_losses=met,
            pair_costs=np.zeros((len(met), 0)),
            limits=np.zeros(0),
        )
        # High prices make the sums large, and what rounding seems to gain.
        loss, cost = self.program.largest
        rounding = 1e-12 * (loss + float(prices @ cost))
        self._descend(free, x, np.zeros(0), max(self.least_gain, rounding))
        return x

    def kicked(
        self, x: np.ndarray, prices: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray | None:
        """Improve a point after a few of its layers were moved at random."""
        x, program = x.copy(), self.program
        moved = rng.choice(program.layers, min(_KICKED, program.layers), replace=False)
        for layer in moved:
            size = program.sizes[layer]
            x[layer] = (x[layer] + rng.integers(-_FAR, _FAR + 1)) % size
        return self.improved(x, prices)


def improver_of(program: PairProgram, least_gain: float) -> Improver:
    """Prepare the local search on a program; O(N + L²)."""
    layers, edges = program.layers, program.edges
    between = np.full((layers, layers), -1, dtype=np.int64)
    between[edges[:, 0], edges[:, 1]] = np.arange(len(edges))
    between[edges[:, 1], edges[:, 0]] = np.arange(len(edges))
    tables = Tables(
        program.losses,
        program.costs,
        program.offsets,
        edges,
        program.pair_losses,
        program.pair_costs,
        program.pair_offsets,
        program.limits,
    )
    layer_of = np.repeat(np.arange(layers), program.sizes)
    return Improver(program, tables, layer_of, between, least_gain)
