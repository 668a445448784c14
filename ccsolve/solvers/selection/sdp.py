"""The semidefinite relaxation with products: low-rank descent, certified duals."""

from collections.abc import Iterator

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number
from ccsolve.solution import Solution
from ccsolve.solvers.selection.options import at_least
from ccsolve.solvers.selection.relaxing import low_rank
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.rounding import first_step
from ccsolve.solvers.selection.searching.engine import engine_for


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    tolerance: float = 1e-5,
    roundings: int = 8,
) -> Solution:
    """Relax X = zzᵀ to X ⪰ 0, keeping what the constraints say of products.

    With ``keep``: min ⟨Q + diag q, X⟩ over X ⪰ 0 with tr X = keep and
    X1 = keep·diag X, the cardinality times every channel. Without: over the lifted
    matrix of (1, z), with X_0i = X_ii. A budget is multiplied by z_i and by 1 - z_i.

    Proven: any multipliers give a matrix M and a constant with objective ≥ constant +
    zᵀMz at feasible points, hence ≥ constant + keep·λ_min(M), for which a certified
    eigenvalue bound stands; see `relaxing.low_rank_certificate`. Heuristic: the points,
    rounded from X and improved by swaps. Without a budget ``extra["relaxation"]`` is
    the value at an X of the relaxation: bound and value enclose its optimum.

    Cost: X = VVᵀ with r ≈ √(2n) columns, O(n²r) a step, O(mnr) factored, a hundred
    steps or two; then O(n³) for a proof, with two matrices of n² beside Q. From 500
    channels on the bounds of `convex_relaxation` come first, and where a factored
    program has more than 8,192 there are no others.

    Parameters
    ----------
    tolerance : relative gap between the relaxation's value and the bound to end at.
    roundings : points rounded at the end.
    """
    real_number("tolerance", tolerance, 0.0)
    at_least("roundings", roundings, 0)
    return run(_steps(problem, limits, seed, tolerance, roundings), limits)


def _steps(
    problem: ChannelSelection,
    limits: Limits,
    seed: int,
    tolerance: float,
    roundings: int,
) -> Iterator[Step]:
    first = first_step(problem, plain_form(problem))
    yield first
    engine = engine_for(problem, seed)
    if problem.n < low_rank.CONVEX_FROM:
        # A short limit may leave no time for the points of a proof.
        yield from engine.descend(first.x)
    yield from low_rank.relax(engine, limits, tolerance=tolerance, roundings=roundings)
