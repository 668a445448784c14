"""Options that cost in pairs: exact on forests; bounds and points on any graph."""

from collections.abc import Iterator

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.iterate import Limits, Step, run
from ccsolve.linalg.exact_sums import sum_down
from ccsolve.problems import RateAllocation
from ccsolve.solution import Solution
from ccsolve.solvers.allocation.pairing.branching import Branching
from ccsolve.solvers.allocation.pairing.closing import Closing
from ccsolve.solvers.allocation.pairing.forest import cut_layers
from ccsolve.solvers.allocation.pairing.incumbent import Incumbent
from ccsolve.solvers.allocation.pairing.program import from_problem


def solve(
    problem: RateAllocation,
    limits: Limits,
    *,
    room: int = 2_000_000,
    seed: int = 0,
) -> Solution:
    """Minimise a loss of layers and pairs of layers under budgets, with a proof.

    At prices λ ≥ 0 the Lagrangian Σ loss + λᵀ(Σ cost - budgets) over layers and pairs
    is a min-sum problem on the graph of the pairs.

    On a forest two sweeps of dynamic programming solve it exactly, O(N + ΣK_a·K_b) for
    tables (K_a, K_b), and give for every option the least Lagrangian of the points that
    take it. Prices are maximised by cuts (secants for one budget); their points are
    repaired and improved by moves of one and of two layers; options whose least
    Lagrangian is above the best point go. What is left is searched by lists of partial
    choices from the leaves up, pruned by the same bound at several prices and by
    dominance, within targets that rise from the bound to the best point. If the lists
    fit into their room, the answer is optimal.

    With cycles, values are shifted between layers and tables (MPLP++, block-coordinate
    ascent on the dual of the pairwise linear relaxation), at prices taken from local
    search. Options are ruled out by that bound; if cycles remain, a layer that many
    of them go through is decided, option by option, in a branch and bound that ends in
    forests.

    Proven: the bound, by outward rounding of every sweep, at any limit; prices come
    with it. Heuristic: the point, until bound and point meet. Where the widths of
    neighbouring layers multiply they do: chains of 50 layers with 64 options and
    streams with blocks in a quarter of a second under three budgets, 20 layers of 32
    options in which each is paired with each in one second. Tables of random numbers on
    dense graphs keep a gap of a fifth, and many budgets on strongly correlated losses
    one of a thousandth. Memory: the tables twice, 16(1 + B) bytes an entry.

    Parameters
    ----------
    room : sums of two partial choices looked at per option and pair, at most; memory
        is about 100 bytes for each.
    seed : of the random kicks of the best point; graphs with cycles alone use it.

    Raises
    ------
    InvalidProblem
        For a malformed option.
    Infeasible
        Budgets that hold one by one cannot hold together, which the search has proven.
    """
    if isinstance(room, bool) or not isinstance(room, int) or room < 1:
        raise InvalidProblem(f"room = {room!r}; expected a whole number from 1")
    return run(steps(problem, room, seed), limits)


def steps(
    problem: RateAllocation, room: int = 2_000_000, seed: int = 0
) -> Iterator[Step]:
    """Give the best point and bound after every piece of work."""
    program, incumbent = from_problem(problem), Incumbent(problem)
    nothing = np.zeros(len(problem.budgets))
    yield incumbent.step(_least(problem), nothing)
    if cut_layers(program):
        search = Branching(program, incumbent, nothing, room, seed)
    else:
        search = Closing(program, incumbent, nothing, room)
    for _ in search.run():
        yield incumbent.step(min(search.bound, incumbent.objective), search.shadow)
    if search.closed and incumbent.x is None:
        raise Infeasible(
            f"budgets = {problem.budgets.tolist()}, but no choice of options keeps all "
            "of them together; raise one, or add cheaper options"
        )
    yield incumbent.step(min(search.bound, incumbent.objective), search.shadow)


def _least(problem: RateAllocation) -> float:
    """Give the sum of all least losses, a bound before any work is done; O(N)."""
    own = np.minimum.reduceat(problem.flat_losses, problem.offsets[:-1])
    pairs = [float(table.min()) for table in problem.pair_losses.values()]
    return sum_down([*own.tolist(), *pairs])
