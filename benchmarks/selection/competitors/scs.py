"""SCS: alternating directions, one eigen-decomposition per iteration."""

import ccsolve
from benchmarks.selection.competitors import conic
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms

LARGEST = 600
"""Above this cvxpy's translation alone takes minutes and gigabytes."""


def run(
    problem: ccsolve.ChannelSelection, terms: Terms, *, nonnegative: bool
) -> Answer:
    """Solve at SCS's own tolerances, 1e-4."""
    if problem.n > LARGEST:
        raise DoesNotFit(f"n > {LARGEST}: (n + 1)²/2 variables through cvxpy")
    options = {"time_limit_secs": terms.seconds}
    return conic.run(
        problem, terms, solver="SCS", nonnegative=nonnegative, options=options
    )
