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

_EXPLAINED = 100
"""Steps spent on what a budget takes at least, once the search has failed."""


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
        No choice keeps the budgets, which the search has proven. The message names
        the budgets that fail alone, or what each takes at least.
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
        raise _no_choice(problem)
    yield incumbent.step(min(search.bound, incumbent.objective), search.shadow)


def _no_choice(problem: RateAllocation) -> Infeasible:
    """Say which budgets fail alone, and by how much; or what each takes at least."""
    budgets = range(len(problem.budgets))
    alone = [_least_spent(problem, b) for b in budgets]
    given = [f"budgets[{b}] = {problem.budgets[b]:.12g}" for b in budgets]
    takes = [_enclosed(found) for found in alone]
    # The search has proven that one budget fails, whatever these bounds tell.
    one = len(budgets) == 1
    failing = [b for b in budgets if one or alone[b].bound > problem.limits[b]]
    if failing:
        named = [
            f"{given[b]}, but the cheapest choice takes {takes[b]}" for b in failing
        ]
        raised = "it" if len(failing) == 1 else "them"
        return Infeasible(
            f"{'; '.join(named)}; raise {raised} to that, or add cheaper options"
        )
    named = [f"{given[b]} takes {takes[b]}" for b in budgets]
    return Infeasible(
        f"no choice keeps the budgets together; by the cheapest choice for it alone, "
        f"{', and '.join(named)}; raise one of them, or add cheaper options"
    )


def _least_spent(problem: RateAllocation, budget: int) -> Solution:
    """Enclose the least that a choice takes of one budget; exact on forests."""
    paid = {edge: table[..., budget] for edge, table in problem.pair_costs.items()}
    free = RateAllocation(
        [costs[:, budget] for costs in problem.costs],
        [np.zeros(size) for size in problem.sizes],
        1.0,
        pair_losses=paid,
    )
    limits = Limits(gap=1e-12, resolution=free.resolution, step_limit=_EXPLAINED)
    return run(steps(free), limits)


def _enclosed(found: Solution) -> str:
    """Write a least cost, or between what it lies where the steps did not tell."""
    if found.objective - found.bound <= 1e-9 * found.objective:
        return f"{found.objective:.12g}"
    return f"at most {found.objective:.12g} (proven: at least {found.bound:.6g})"


def _least(problem: RateAllocation) -> float:
    """Give the sum of all least losses, a bound before any work is done; O(N)."""
    own = np.minimum.reduceat(problem.flat_losses, problem.offsets[:-1])
    pairs = [float(table.min()) for table in problem.pair_losses.values()]
    return sum_down([*own.tolist(), *pairs])
