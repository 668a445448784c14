"""Clarabel: interior points, a dense block of n(n + 1)/2 rows per iteration."""

import ccsolve
from benchmarks.selection.competitors import conic
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms

LARGEST = 100
"""Above this its first factorisation outlasts any run here and cannot be cut short."""


def run(
    problem: ccsolve.ChannelSelection, terms: Terms, *, nonnegative: bool
) -> Answer:
    """Solve at Clarabel's own tolerances, 1e-8."""
    if problem.n > LARGEST:
        raise DoesNotFit(f"n > {LARGEST}: a dense block of n(n + 1)/2 rows")
    options = {"time_limit": terms.seconds, "max_threads": 1}
    return conic.run(
        problem, terms, solver="CLARABEL", nonnegative=nonnegative, options=options
    )
