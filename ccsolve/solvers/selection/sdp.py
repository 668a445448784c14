"""The semidefinite relaxation with products, by alternating directions on the dual."""

from collections.abc import Iterator

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number
from ccsolve.solution import Solution
from ccsolve.solvers.selection.options import at_least
from ccsolve.solvers.selection.relaxing.admm import Settings
from ccsolve.solvers.selection.relaxing.semidefinite import Accuracy, relax


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
    eigenvalue bound stands; see `relaxing.duals`. Heuristic: the points, rounded from X
    and improved by swaps.

    Cost: one eigen-decomposition a step, O(n³) (0.4 ms at n = 80, 20 ms at n = 500),
    and about two hundred steps; memory O(n²).

    Parameters
    ----------
    tolerance : relative gap between the relaxation's value and the bound to end at.
    roundings : points rounded at the end.
    """
    accuracy = Accuracy(
        real_number("tolerance", tolerance, 0.0), at_least("roundings", roundings, 0)
    )
    return run(_steps(problem, limits, accuracy, seed), limits)


def _steps(
    problem: ChannelSelection, limits: Limits, accuracy: Accuracy, seed: int
) -> Iterator[Step]:
    return relax(problem, limits, Settings(nonnegative=False), accuracy, seed)
