"""How long each contender runs on each case."""

from benchmarks.network.cases import Case

TIMES = (1.0, 2.0, 5.0, 10.0, 25.0, 60.0)
"""Seconds at which points and bounds are told."""

EARLY = 5.0
"""Seconds within which our method is to be good."""

LONG, SHORT = 600.0, 30.0
"""Seconds of SCIP on the first case, by the better form, and elsewhere."""

OURS, OTHERS, SEARCHES, LARGE = 60.0, 25.0, 5.0, 100.0
"""Seconds of our method on the first and the coupled case, on others, of the searches
alone, and of ours on the largest case."""

SEEDED = {"ccsolve, 6 seeds": 150.0, "ccsolve, 24 seeds": 24 * EARLY}
"""Seconds of our method on real coupled cases, shared by several seeds."""

LAGRANGIAN = 10.0
"""Seconds of the bound that others are compared with."""

SIZE = "ResNet-50's size, factor"
FIRST = "ResNet-56, blocks, 50 %"
COUPLED = "ResNet-56, coupled, 50 %"
PEERED = (FIRST, COUPLED, "chain of 160 channels, coupled")
"""Cases on which SCIP runs, and Gurobi where its licence lets it."""


def limit_of(case: Case, contender: str) -> float | None:
    """Give the seconds of a contender on a case; None for not at all."""
    if case.name == SIZE:
        return LARGE if contender.endswith(("search_and_bound", "greedy")) else None
    if contender in SEEDED:
        return SEEDED[contender] if case.cross else None
    if contender.startswith("ccsolve"):
        if not contender.endswith("search_and_bound"):
            return SEARCHES
        return OURS if case.name in (FIRST, COUPLED) else OTHERS
    if contender == "block Lagrangian":
        return LAGRANGIAN if case.cross else None
    if case.name not in PEERED:
        return None
    if case.name == FIRST and contender == "SCIP native":
        return LONG
    return SHORT
